"""Tests of the native core: programs built by hand, compared with numpy."""
