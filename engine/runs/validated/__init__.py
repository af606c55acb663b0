"""What single validations showed, beside their metrics: worst samples and distributions, a bounded number of each."""
