"""Data sets in their published formats, artificial outliers, splits, and the cache of decoded crops."""

from deepgum.data.corruption import NOISES, Corruption, corrupt
from deepgum.data.edits.base import Annotations
from deepgum.data.indexed import EpochSampler, IndexedDataset
from deepgum.data.listed_images import load_whole_images
from deepgum.data.mirror import Mirror
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.residual_files import ArrayBatches, ParquetBatches
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.cacd import load_cacd
from deepgum.data.sets.digits import load_digits_landmarks
from deepgum.data.sets.fld import load_fld
from deepgum.data.sets.head_pose import load_head_pose
from deepgum.data.sets.lfw_net import load_lfw_net
from deepgum.data.sets.mcgill import load_mcgill
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset
from deepgum.data.sets.table_samples import load_table
from deepgum.data.sets.utkface import load_utkface
from deepgum.data.splits import split_clusters, split_sizes, split_validation

__all__ = [
    "NOISES",
    "Annotations",
    "ArrayBatches",
    "Corruption",
    "Dataset",
    "EpochSampler",
    "IndexedDataset",
    "Measure",
    "Mirror",
    "ParquetBatches",
    "Pool",
    "RegressionData",
    "Request",
    "Subset",
    "corrupt",
    "load_cacd",
    "load_digits_landmarks",
    "load_fld",
    "load_head_pose",
    "load_lfw_net",
    "load_mcgill",
    "load_table",
    "load_utkface",
    "load_whole_images",
    "split_clusters",
    "split_sizes",
    "split_validation",
]
