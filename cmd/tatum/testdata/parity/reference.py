"""The notebook's numbers, from the calls the notebook makes, and their comparison with tatum's.

usage: reference.py fit SONGS_DIR OUT_DIR         write stats_*, cluster_label_*, cluster_distance_*.npy; print seconds
       reference.py compare OUT_DIR EXPORT_DIR    compare them with the files of `tatum export npy`
       reference.py sound OUT_DIR EXPORT_DIR      compare the vectors of timbre and pitches, and their labels with what
                                                  scikit-learn makes of tatum's vectors
       reference.py golden OUT_DIR FILE           write them in short, for the tests that have no Python
       reference.py tables EXPORT_DIR TABLES_DIR  read TABLES_DIR/{parquet,csv} back with pandas and DuckDB, and compare
                                                  them with the files of `tatum export npy`
       reference.py pictures SONGS_DIR DIR        compare the numbers that `tatum plot --data` wrote to DIR, where the
                                                  files of `tatum export npy` are, with what they are computed from
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


def pictures(songs_dir, directory):
    """Compare the numbers of the CSV files that parity.sh has `tatum plot --data` write."""
    import pandas

    exported, aligned_dir = f"{directory}/tatum", f"{directory}/aligned"
    songs = read_songs(songs_dir)
    differ = features_picture(aligned_dir, pandas.read_csv(f"{directory}/features.csv"))
    differ += song_picture(songs, pandas.read_csv(f"{directory}/song.csv"), SOUND.values())
    differ += pair_picture(songs, exported, pandas.read_csv(f"{directory}/pair.csv"))
    for k in (4, 32):
        differ += k_picture(exported, f"{directory}/k{k}", pandas.read_csv(f"{directory}/k.csv").set_index("k").loc[k])
    for feature, name in FEATURES.items():
        x, aligned = load(exported, "stats", name), load(aligned_dir, "cluster_label", name).ravel()
        folds = load(exported, "fold", name).ravel()
        differ += map_picture(name, x, aligned, pandas.read_csv(f"{directory}/map-{feature}.csv"))
        differ += profile_picture(name, x, aligned, pandas.read_csv(f"{directory}/profile-{feature}.csv"))
        differ += sizes_picture(name, aligned, folds, pandas.read_csv(f"{directory}/sizes-{feature}.csv"))
    print("numbers of pictures:", "all equal" if not differ else f"{differ} DIFFERENCES")
    sys.exit(1 if differ else 0)


def wrong(picture, count):
    if count:
        print(f"{picture}: {int(count)} numbers differ")
    return int(count)


def standardise(x):
    """Return x as deviations, and the rounding error of a mean of those."""
    deviation = x.std(axis=0)
    deviation[deviation == 0] = 1
    return (x - x.mean(axis=0)) / deviation, 8 * EPS * np.abs(x.mean(axis=0)) / deviation


def map_picture(name, x, aligned, drawn):
    from sklearn.decomposition import PCA

    z, _ = standardise(x)
    pca = PCA(n_components=2, svd_solver="covariance_eigh").fit(z)
    signs = np.sign(pca.components_[[0, 1], np.abs(pca.components_).argmax(axis=1)])
    want = ((z - z.mean(axis=0)) @ pca.components_.T) * signs
    tracks = drawn[drawn["what"] == "track"]
    error = np.abs(tracks[["x", "y"]].to_numpy() - want) / want[:, 0].std()
    return wrong(f"map of {name}", np.sum(~(error <= 1e-6)) + np.sum(tracks["cluster"].to_numpy() != aligned))


def profile_picture(name, x, aligned, drawn):
    z, rounding = standardise(x)
    means = np.array([z[aligned == c].mean(axis=0) for c in drawn["cluster"].unique() if (aligned == c).any()])
    got = drawn[drawn["size"] > 0]["z"].to_numpy().reshape(means.shape)
    return wrong(f"profile of {name}", np.sum(~(np.abs(got - means) <= 1e-9 + rounding)))


def sizes_picture(name, aligned, folds, drawn):
    want = [
        (rank + 1, cluster, np.sum(aligned == cluster), fold, np.sum((aligned == cluster) & (folds == fold)))
        for rank, cluster in enumerate(sorted(range(32), key=lambda c: (-np.sum(aligned == c), c)))
        for fold in range(5)
    ]
    return wrong(f"sizes of {name}", not np.array_equal(drawn.to_numpy(), want))


def features_picture(aligned_dir, drawn):
    from sklearn.metrics import adjusted_rand_score

    differ = len(drawn) != len(FEATURES) ** 2
    for feature, other, agreement in drawn.itertuples(index=False):
        labels = [load(aligned_dir, "cluster_label", FEATURES[f]).ravel() for f in (feature, other)]
        differ += unlike(adjusted_rand_score(*labels), agreement)
    return wrong("features", differ)


def k_picture(exported, clustering, drawn):
    """Fit the feature of k.csv again; clusters are aligned as those of the clustering with that k are."""
    from itertools import combinations

    from sklearn.metrics import adjusted_rand_score

    name, k = FEATURES[drawn["feature"]], int(drawn.name)
    x = load(exported, "stats", name)
    labels, inertia, silhouettes = [], [], np.empty(len(x))
    for train, held in KFold(n_splits=5, shuffle=True, random_state=42).split(x):
        scaler = StandardScaler().fit(x[train])
        model = MiniBatchKMeans(n_clusters=k, batch_size=2048, random_state=42, n_init="auto").fit(scaler.transform(x[train]))
        own = np.empty(len(x), dtype=int)
        own[train], own[held] = model.labels_, model.predict(scaler.transform(x[held]))
        silhouettes[held] = simplified_silhouettes(model.transform(scaler.transform(x[held])), own[held])
        labels.append(own)
        inertia.append(model.inertia_)
    agreement = [adjusted_rand_score(a, b) for a, b in combinations(labels, 2)]
    clusters = load(clustering, "cluster_label", name).ravel()
    sizes = np.bincount(clusters, minlength=k)
    davies_bouldin, calinski_harabasz = figures(x, clusters)
    want = {
        "inertia": np.mean(inertia), "silhouette": silhouettes.mean(), "davies_bouldin": davies_bouldin,
        "calinski_harabasz": calinski_harabasz, "agreement": np.mean(agreement), "least_agreement": min(agreement),
        "smallest": sizes.min(), "empty": np.sum(sizes == 0),
    }
    return wrong(f"k = {k} of {name}", sum(unlike(value, drawn[figure]) for figure, value in want.items()))


def song_picture(songs, drawn, sound=()):
    """Compare the series of each song in a picture with the arrays of its file."""
    ticks = ("sections", "bars", "beats", "tatums")
    differ = int(drawn["track_id"].nunique() == 0)
    for song, rows in drawn.groupby("track_id"):
        with h5py.File(songs[song], "r") as f:
            arrays = {name: f[f"analysis/{name}"][:] for name in f["analysis"] if name != "songs"}
            end = f["analysis/songs"]["duration"][0]
        onsets = arrays["segments_start"]
        ends = np.append(onsets[1:], max([end] + [arrays[f"{name}_start"].max(initial=0) for name in (*ticks, "segments")]))
        want = {name: {"start": arrays[f"{name}_start"]} for name in ticks}
        want["loudness"] = {
            "start": np.column_stack([onsets, onsets + arrays["segments_loudness_max_time"]]).ravel(),
            "value": np.column_stack([arrays["segments_loudness_start"], arrays["segments_loudness_max"]]).ravel(),
        }
        for name in sound:
            values = arrays[f"segments_{name}"]
            want[name] = {"start": np.repeat(onsets, 12), "end": np.repeat(ends, 12), "value": values.ravel()}
            if name == "timbre":
                want[name]["z"] = standardise(values)[0].ravel()
        differ += set(rows["series"]) - {"distance"} != {name for name in want if len(want[name]["start"])}
        for name, columns in want.items():
            got = rows[rows["series"] == name]
            for column, values in columns.items():
                differ += len(got) != len(values) or not np.all(np.abs(got[column].to_numpy() - values) <= 1e-9)
    return wrong("song", differ)


def rhythm_distance(a, b):
    """The mean of thirty parts: each in [0, 1], that of the densities as the share of gaps in other bins."""
    a, b = a.astype(float), b.astype(float)
    parts = np.abs(a[:9] / (1 + np.abs(a[:9])) - b[:9] / (1 + np.abs(b[:9])))
    parts[[SKEW, KURTOSIS]] = np.minimum(parts[[SKEW, KURTOSIS]], 1)
    length = abs(a[9] - b[9]) / max(a[9], b[9]) if max(a[9], b[9]) > 0 else 0
    shares = [v[10:] / v[10:].sum() if v[10:].sum() > 0 else v[10:] for v in (a, b)]
    return (parts.sum() + length + 20 * np.abs(shares[0] - shares[1]).sum() / 2) / 30


def pair_picture(songs, exported, drawn):
    ids = content(f"{exported}/track_ids.txt").decode().split()
    one, other = (ids.index(i) for i in drawn["track_id"].unique())
    differ = song_picture(songs, drawn)
    distances = drawn[drawn["series"] == "distance"].set_index("feature")["distance"]
    differ += len(distances) != len(FEATURES)
    for feature, distance in distances.items():
        x = load(exported, "stats", FEATURES[feature])
        differ += unlike(rhythm_distance(x[one], x[other]), distance)
    return wrong("pair", differ)


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
