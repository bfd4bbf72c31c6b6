"""Adapters: one module or package per external system; none imports another."""
