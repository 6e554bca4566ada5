"""Labels that are set aside before the mixture is fitted, and the sentences that tell a reader about them."""
