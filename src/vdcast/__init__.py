"""vdcast: LSTM against xLSTM on road traffic, one DVC pipeline from detector files to a verdict.

Stages, each a module of the same name: ingest, prepare, train, evaluate, compare, report.
"""
