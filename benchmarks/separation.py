"""How wide EM makes the outliers of residuals that have none: what the default of `separation` was set by.

EM is run to rest on samples of a single Gaussian, without the verdict that would tell. Prints the ratio of the
outliers' standard deviation to the inliers', by the volumes of both, and the prior: of several samples of each size.

    OMP_NUM_THREADS=1 python benchmarks/separation.py
"""

from __future__ import annotations

import argparse

import torch

from deepgum.mixture.blocks import make_block
from deepgum.mixture.em import EM
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import OutlierMoments
from deepgum.mixture.verdict import separation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5, help="of each size")
    arguments = parser.parse_args()
    em = EM("full", OutlierMoments(), None, reg_covar=1e-6, tol=1e-7, max_iter=2000)
    for k in (1, 2, 3, 5, 10):
        for n in (200, 2_000, 50_000):
            ratios, priors = [], []
            for seed in range(arguments.samples):
                values = torch.randn(1, k, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
                scales = spread(values)
                fit = em.run(make_block(values), scales, em.start(scales))
                ratios.append(separation(fit.parameters).item())
                priors.append(fit.parameters.inlier_prior.item())
            listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"{k:2} coordinates, {n:6} samples: ratio {listed}; prior {min(priors):.2f} to {max(priors):.2f}")


if __name__ == "__main__":
    main()
