"""What the notebook does, step by step: for each feature it opens every file anew, computes the statistics, and clusters.

usage: notebook.py SONGS_DIR OUT_DIR     write cluster_label_*.npy, cluster_distance_*.npy and stats_*.npy
"""
import os
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../parity"))
from reference import FEATURES, out_of_fold, read_arrays, stat_matrix

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    songs, out = sys.argv[1:]
    os.makedirs(out)
    # In the data set's layout, paths in order are track IDs in order.
    paths = sorted(os.path.join(d, n) for d, _, names in os.walk(songs) for n in names if n.endswith(".h5"))
    for feature, name in FEATURES.items():
        stats = stat_matrix(read_arrays(paths, feature))
        labels, distances, _ = out_of_fold(stats)
        np.save(f"{out}/stats_{name}.npy", stats)
        np.save(f"{out}/cluster_label_{name}.npy", labels)
        np.save(f"{out}/cluster_distance_{name}.npy", distances)
