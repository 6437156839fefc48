"""Tests of zeroskip.engine.lowering: each operator family, planned and run in numpy, against the reference."""
