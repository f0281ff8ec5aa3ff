"""What only a browser can tell. All tests in here share one portal and one Chromium."""
