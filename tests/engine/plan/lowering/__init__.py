"""Tests of zeroskip.engine.plan.lowering: each operator family, planned, run in numpy, and compared."""
