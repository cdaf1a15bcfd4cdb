"""A trained run at work on new data: what it says of the next steps, the record of that, and how it fared.

``recent`` brings the newest observations, ``issue`` makes a forecast of them, ``record`` keeps it, ``score`` lays
what was kept beside what came, ``words`` says so. No stage of the pipeline reads any of it.
"""
