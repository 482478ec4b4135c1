"""The notebook's numbers, from the calls the notebook makes, and their comparison with tatum's.

usage: reference.py fit SONGS_DIR OUT_DIR         write stats_*, cluster_label_*, cluster_distance_*.npy; print seconds
       reference.py compare OUT_DIR EXPORT_DIR    compare them with the files of `tatum export npy`
       reference.py sound OUT_DIR EXPORT_DIR      compare the vectors of timbre and pitches, and their labels with what
                                                  scikit-learn makes of tatum's vectors
       reference.py golden OUT_DIR FILE           write them in short, for the tests that have no Python
       reference.py tables EXPORT_DIR TABLES_DIR  read TABLES_DIR/{parquet,csv} back with pandas and DuckDB, and compare
                                                  them with the files of `tatum export npy`
       reference.py pictures EXPORT_DIR DIR       compare the numbers that `tatum plot --data` wrote to DIR
       reference.py quality EXPORT_DIR DIR        compare the figures in DIR/{report,list,clusters}.json with those of
                                                  the files of `tatum export npy`, and DIR/aligned

Rows are in the order of track IDs. The exit code of compare is 1 if anything differs that PARITY allows no
difference in: 28 of the 30 statistics to the bit, skew and kurtosis by the library's pow (a few units in the last
place of the term before the "- 3"), labels and their files to the byte, distances to 1e-9 of their size.
"""
import hashlib
import json
import os
import sys
import time
import warnings

import h5py
import numpy as np
import scipy
import sklearn
from scipy.stats import kurtosis, skew
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

FEATURES = {  # array of /analysis: name of its files
    "bars_start": "bars",
    "beats_start": "beats",
    "sections_start": "sections",
    "segments_loudness_max": "loudness",
    "segments_loudness_max_time": "loudness_time",
    "segments_loudness_start": "loudness_start",
    "segments_start": "segments_start",
    "tatums_start": "tatums_start",
}
SOUND = {"segments_pitches": "pitches", "segments_timbre": "timbre"}
SKEW, KURTOSIS = 4, 5
EPS = 2.0**-52


def read_songs(directory):
    """Return {track ID: path} of the .h5 files under directory, in the order of IDs."""
    songs = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            if name.endswith(".h5"):
                path = os.path.join(parent, name)
                with h5py.File(path, "r") as f:
                    songs[f["analysis/songs"]["track_id"][0].decode()] = path
    return dict(sorted(songs.items()))


def read_arrays(paths, feature):
    arrays = []
    for path in paths:
        with h5py.File(path, "r") as f:
            arrays.append(np.array(f["analysis"][feature]))
    return arrays


def sequence_stats(x):
    x = x[np.isfinite(x)]
    if x.size == 0:
        return np.full(10, np.nan)
    q10, q50, q90 = np.percentile(x, [10, 50, 90])
    iqr = np.percentile(x, 75) - np.percentile(x, 25)
    cv = np.std(x) / (np.mean(x) + 1e-8)
    return np.array([np.mean(x), np.std(x), iqr, cv, skew(x), kurtosis(x), q10, q50, q90, len(x)])


def stat_vector(sequence):
    if len(sequence) < 2:
        return np.zeros(30)
    gaps = np.diff(sequence)
    gaps = gaps[gaps > 0]
    if gaps.size == 0:
        return np.zeros(30)
    gaps = gaps / (np.median(gaps) + 1e-8)
    densities, _ = np.histogram(gaps, bins=20, density=True)
    return np.concatenate([sequence_stats(gaps), densities])


def stat_matrix(arrays):
    return np.nan_to_num(np.vstack([stat_vector(a) for a in arrays]), nan=0.0, posinf=0.0, neginf=0.0)


def sound_vector(x):
    """Means of the twelve columns, then the upper triangle of their covariances."""
    x = x[np.isfinite(x).all(axis=1)]
    if len(x) < 2:
        return np.zeros(90)
    return np.concatenate([np.mean(x, axis=0), np.cov(x.T)[np.triu_indices(12)]])


def out_of_fold(x, k=32, folds=5, seed=42, batch_size=2048):
    distances, labels, fold_of = np.zeros((len(x), k)), np.zeros(len(x), dtype=int), np.zeros(len(x), dtype=int)
    for fold, (train, held) in enumerate(KFold(n_splits=folds, shuffle=True, random_state=seed).split(x)):
        scaler = StandardScaler().fit(x[train])
        km = MiniBatchKMeans(n_clusters=k, random_state=seed, batch_size=batch_size, n_init="auto")
        km.fit(scaler.transform(x[train]))
        rows = scaler.transform(x[held])
        distances[held], labels[held], fold_of[held] = km.transform(rows), km.predict(rows), fold
    return labels.reshape(-1, 1), distances, fold_of.reshape(-1, 1)


def fit(songs_dir, out_dir):
    os.makedirs(out_dir, exist_ok=True)
    songs = read_songs(songs_dir)
    seconds = {"read": 0.0, "statistics": 0.0, "cluster": 0.0}
    for feature, name in FEATURES.items():
        times = [time.perf_counter()]
        arrays = read_arrays(songs.values(), feature)
        times.append(time.perf_counter())
        stats = stat_matrix(arrays)
        times.append(time.perf_counter())
        labels, distances, fold_of = out_of_fold(stats)
        times.append(time.perf_counter())
        for stage, t0, t1 in zip(seconds, times, times[1:]):
            seconds[stage] += t1 - t0
        np.save(f"{out_dir}/stats_{name}.npy", stats)
        np.save(f"{out_dir}/cluster_label_{name}.npy", labels)
        np.save(f"{out_dir}/cluster_distance_{name}.npy", distances)
        np.save(f"{out_dir}/fold_{name}.npy", fold_of)
    for feature, name in SOUND.items():
        np.save(f"{out_dir}/stats_{name}.npy", np.vstack([sound_vector(a) for a in read_arrays(songs.values(), feature)]))
    with open(f"{out_dir}/track_ids.txt", "w") as f:
        f.writelines(i + "\n" for i in songs)
    print(f"reference: {len(songs)} songs,", ", ".join(f"{k} {v:.2f} s" for k, v in seconds.items()))


def load(directory, kind, name):
    return np.load(f"{directory}/{kind}_{name}.npy")


def content(path):
    with open(path, "rb") as f:
        return f.read()


def compare_feature(ours, theirs, name):
    """Return the numbers of differences, and print them."""
    want, got = load(theirs, "stats", name), load(ours, "stats", name)
    if want.shape != got.shape:
        sys.exit(f"{name}: {got.shape[0]} rows, the reference has {want.shape[0]}")
    exact = [c for c in range(30) if c not in (SKEW, KURTOSIS)]
    stats = int(np.sum(want[:, exact].view(np.int64) != got[:, exact].view(np.int64)))
    # pow is the platform's; 4 units of the term before the subtraction leave room for it.
    skews = int(np.sum(np.abs(want[:, SKEW] - got[:, SKEW]) > 4 * EPS * np.abs(want[:, SKEW])))
    kurts = int(np.sum(np.abs(want[:, KURTOSIS] - got[:, KURTOSIS]) > 4 * EPS * np.abs(want[:, KURTOSIS] + 3)))
    labels = int(np.sum(load(theirs, "cluster_label", name) != load(ours, "cluster_label", name)))
    folds = int(np.sum(load(theirs, "fold", name) != load(ours, "fold", name)))
    want, got = load(theirs, "cluster_distance", name), load(ours, "cluster_distance", name)
    error = np.abs(want - got) / np.maximum(np.abs(want), 1e-300)
    distances = int(np.sum((error > 1e-9) & (np.abs(want - got) > 1e-9)))
    file = f"cluster_label_{name}.npy"
    files = int(content(f"{theirs}/{file}") != content(f"{ours}/{file}"))
    print(
        f"{name:15} differ: {stats} statistics, {skews} skew, {kurts} kurtosis, {labels} labels, {folds} folds, "
        f"{distances} distances (bits: {int(np.sum(want != got))} of {want.size}), {files} label files"
    )
    return stats + skews + kurts + labels + folds + distances + files


def compare_sound(ours, theirs, name):
    """Return the numbers of differences, and print them."""
    want, got = load(theirs, "stats", name), load(ours, "stats", name)
    means = int(np.sum(want[:, :12].view(np.int64) != got[:, :12].view(np.int64)))
    i, j = np.triu_indices(12)
    variances = want[:, 12:][:, i == j]
    scale = np.sqrt(variances[:, i] * variances[:, j])
    covariances = int(np.sum(np.abs(want[:, 12:] - got[:, 12:]) > 1e-12 * scale))
    labels, distances, folds = out_of_fold(got)
    labels = int(np.sum(labels != load(ours, "cluster_label", name)))
    folds = int(np.sum(folds != load(ours, "fold", name)))
    d = load(ours, "cluster_distance", name)
    far = np.maximum(d, distances) > 1e-6  # the root of what rounding leaves of nothing
    apart = int(np.sum(far & (np.abs(d - distances) > 1e-9 * distances)))
    print(
        f"{name:15} differ: {means} means, {covariances} covariances, {labels} labels of {len(d)}, {folds} folds, "
        f"{apart} distances (bits: {int(np.sum(d != distances))} of {d.size})"
    )
    return means + covariances + labels + folds + apart


def sound(theirs, ours):
    differ = sum(compare_sound(ours, theirs, name) for name in SOUND.values())
    print("sound features:", "all equal" if differ == 0 else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


def compare(theirs, ours):
    differ = sum(compare_feature(ours, theirs, name) for name in FEATURES.values())
    differ += content(f"{theirs}/track_ids.txt") != content(f"{ours}/track_ids.txt")
    print(versions(), "all equal" if differ == 0 else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


def versions():
    return f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}, h5py {h5py.__version__}:"


def golden(out_dir, path):
    features = {}
    for feature, name in FEATURES.items():
        stats = load(out_dir, "stats", name)
        exact = np.delete(stats, [SKEW, KURTOSIS], axis=1)
        labels, distances = load(out_dir, "cluster_label", name).ravel(), load(out_dir, "cluster_distance", name)
        features[feature] = {
            "labels": labels.tolist(),
            "distances": [float(d[l]).hex() for d, l in zip(distances, labels)],
            "skew": [v.hex() for v in stats[:, SKEW].tolist()],
            "kurtosis": [v.hex() for v in stats[:, KURTOSIS].tolist()],
            "stats_sha256": hashlib.sha256(np.ascontiguousarray(exact).astype("<f8").tobytes()).hexdigest(),
            "label_file_sha256": hashlib.sha256(content(f"{out_dir}/cluster_label_{name}.npy")).hexdigest(),
        }
    with open(path, "w") as f:
        ids = content(f"{out_dir}/track_ids.txt").decode().split()
        json.dump({"versions": versions(), "track_ids": ids, "features": features}, f, indent=0)
        f.write("\n")


def figures(x, clusters):
    """Davies-Bouldin and Calinski-Harabasz index of standardised vectors, None where there are none."""
    if not 2 <= len(np.unique(clusters)) < len(x):
        return None, None
    deviation = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    return davies_bouldin_score(z, clusters), calinski_harabasz_score(z, clusters)


def simplified_silhouettes(distances, labels):
    own = distances[np.arange(len(labels)), labels]
    others = distances.copy()
    others[np.arange(len(labels)), labels] = np.inf
    other = others.min(axis=1)
    return np.maximum(np.divide(other - own, other, out=np.zeros(len(own)), where=other != 0), 0)


def unlike(want, got):
    """Whether two figures differ by more than 1e-9 of their size, and by more than rounding leaves of nothing."""
    if want is None or got is None:
        return want is not got
    return not abs(want - got) <= max(1e-9 * abs(want), 1e-15)


def quality(exported, directory):
    report, listed, clusters = (json.load(open(f"{directory}/{name}.json")) for name in ("report", "list", "clusters"))
    differ = len(report) != len(FEATURES)
    for i, (feature, name) in enumerate(FEATURES.items()):
        labels, distances = load(exported, "cluster_label", name).ravel(), load(exported, "cluster_distance", name)
        aligned = load(f"{directory}/aligned", "cluster_label", name).ravel()
        silhouettes = simplified_silhouettes(distances, labels)
        want = dict(zip(("davies_bouldin", "calinski_harabasz"), figures(load(exported, "stats", name), aligned)))
        want["silhouette"] = silhouettes.mean()
        for figure, value in want.items():
            differ += unlike(value, report[i][figure]) + unlike(value, listed[0][figure][i])
            if unlike(value, report[i][figure]):
                print(f"{name}: {figure} {report[i][figure]}, the reference has {value}")
        for c in (c for c in clusters if c["feature"] == feature):
            members = silhouettes[aligned == c["cluster"]]
            if unlike(members.mean() if len(members) else None, c["silhouette"]):
                print(f"{name}: silhouette {c['silhouette']} of cluster {c['cluster']}, the reference has {members.mean()}")
                differ += 1
    print("silhouette, Davies-Bouldin, Calinski-Harabasz:", "all equal" if not differ else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


def pictures(exported, directory):
    """Compare the numbers of DIR/{map,profile}-FEATURE.csv and DIR/features.csv, which `tatum plot --data` wrote."""
    import pandas
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score

    differ = 0
    for feature, name in FEATURES.items():
        x, aligned = load(exported, "stats", name), load(f"{directory}/aligned", "cluster_label", name).ravel()
        deviation = x.std(axis=0)
        z = (x - x.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
        pca = PCA(n_components=2, svd_solver="covariance_eigh").fit(z)
        signs = np.sign(pca.components_[[0, 1], np.abs(pca.components_).argmax(axis=1)])
        want = ((z - z.mean(axis=0)) @ pca.components_.T) * signs
        drawn = pandas.read_csv(f"{directory}/map-{feature}.csv")
        tracks = drawn[drawn["what"] == "track"]
        error = np.abs(tracks[["x", "y"]].to_numpy() - want).max() / want[:, 0].std()
        profile = pandas.read_csv(f"{directory}/profile-{feature}.csv")
        means = np.array([z[aligned == c].mean(axis=0) for c in profile["cluster"].unique() if (aligned == c).any()])
        got = profile[profile["size"] > 0]["z"].to_numpy().reshape(means.shape)
        rounding = 8 * EPS * np.abs(x.mean(axis=0)) / np.where(deviation == 0, 1, deviation)  # of a mean, in deviations
        wrong = int(error > 1e-6) + int(np.sum(tracks["cluster"].to_numpy() != aligned)) + int(np.sum(np.abs(got - means) > 1e-9 + rounding))
        if wrong:
            print(f"{name}: {wrong} numbers of pictures differ (coordinates by {error:.1e} of the first deviation)")
        differ += wrong
    drawn = pandas.read_csv(f"{directory}/features.csv")
    for feature, other, agreement in drawn.itertuples(index=False):
        labels = [load(f"{directory}/aligned", "cluster_label", FEATURES[f]).ravel() for f in (feature, other)]
        differ += unlike(adjusted_rand_score(*labels), agreement)
    print("numbers of pictures:", "all equal" if not differ else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


def tables(exported, directory):
    import duckdb
    import pandas

    differ = 0
    for format, read in (("parquet", pandas.read_parquet), ("csv", pandas.read_csv)):
        path = f"{directory}/{format}"
        tracks, stats = read(f"{path}/tracks.{format}"), read(f"{path}/stats.{format}")
        count, first = duckdb.sql(f"select count(*), min(track_id) from '{path}/tracks.{format}'").fetchall()[0]
        differ += count != len(tracks) or first != tracks["track_id"].min()
        differ += list(tracks["track_id"]) != content(f"{exported}/track_ids.txt").decode().split()
        for feature, name in FEATURES.items():
            labels, folds = load(exported, "cluster_label", name).ravel(), load(exported, "fold", name).ravel()
            distances = load(exported, "cluster_distance", name)[range(len(labels)), labels]
            rows = stats[stats["feature"] == feature].drop(columns=["track_id", "feature"])
            for column, want in (("label", labels), ("fold", folds), ("distance", distances)):
                differ += not np.array_equal(tracks[f"{feature}_{column}"].to_numpy(), want)
            differ += not np.array_equal(rows.to_numpy(dtype=float), load(exported, "stats", name))
        rows = read(f"{path}/sound.{format}")
        for feature, name in SOUND.items():
            values = rows[rows["feature"] == feature].drop(columns=["track_id", "feature"]).to_numpy(dtype=float)
            differ += not np.array_equal(values, load(exported, "stats", name))
    print(f"tables read by pandas {pandas.__version__}, DuckDB {duckdb.__version__}:", "all equal" if not differ else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    commands = {
        "fit": fit, "compare": compare, "golden": golden, "tables": tables, "quality": quality, "pictures": pictures,
        "sound": sound,
    }
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](sys.argv[2], sys.argv[3])
