"""What `scripts/bench` measures. Figures are ratios within one run: these machines are noisy."""
