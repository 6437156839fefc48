"""Families of threshold sets, ordered by one strength: how zeros are shared out among layers."""
