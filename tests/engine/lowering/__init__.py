"""Tests of zeroskip.engine.lowering: each operator family, planned, run in numpy, and compared."""
