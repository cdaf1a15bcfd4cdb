import numpy as np

from vdcast.data import calendar


def test_calendar_features_are_local():
    # 2024-05-05 16:00 UTC is Monday 00:00 in Taipei, Sunday 09:00 in Los Angeles
    noon = np.array([np.datetime64("2024-05-05T16:00", "s").astype(np.int64)])
    assert calendar.hour_of_week(noon, "Asia/Taipei") == 0
    assert calendar.hour_of_week(noon, "America/Los_Angeles") == 6 * 24 + 9
    features = calendar.features(noon, "Asia/Taipei")[0]
    np.testing.assert_allclose(features, [0] * 6 + [1] * 6 + [0], atol=1e-6)
    assert calendar.features(noon, "America/Los_Angeles")[0, -1] == 1


def test_a_day_with_25_hours_repeats_its_hour():
    # Los Angeles leaves daylight saving time on 2024-11-03 at 02:00: 01:30 comes twice
    times = np.array([np.datetime64("2024-11-03T08:30", "s").astype(np.int64) + 3600 * i for i in range(3)])
    assert calendar.hour_of_week(times, "America/Los_Angeles").tolist() == [145, 145, 146]  # a Sunday
