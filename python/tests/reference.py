"""The published algorithms on full matrices, one sample after the other, as scripts of the field do it."""

import numpy as np


def mutual(ranking, i, k):
    forward = ranking[i, : k + 1]
    return forward[(ranking[forward, : k + 1] == i).any(axis=1)]


def expanded(ranking, i, k):
    own = mutual(ranking, i, k)
    wide = own
    for j in own:
        theirs = mutual(ranking, j, int(np.around(k / 2)))
        if 3 * len(np.intersect1d(theirs, own)) > 2 * len(theirs):
            wide = np.append(wide, theirs)
    return np.unique(wide)


def jaccard_of(weights, rows, columns):
    shared = np.array([np.minimum(weights[i], weights[columns]).sum(axis=1) for i in rows])
    return 1 - shared / (2 - shared)


def averaged(weights, ranking, k2):
    return weights if k2 == 1 else np.stack([weights[near[:k2]].mean(axis=0) for near in ranking])


def jaccard_distance(features, k1, k2):
    """Of clustering: neighbours among the first k1, weights by the softmax of the inner products."""
    features = np.asarray(features, np.float64)
    products = features @ features.T
    squared = np.diag(products)[:, None] + np.diag(products)[None] - 2 * products
    ranking = np.argsort(squared, axis=1, kind="stable")[:, :k1]
    weights = np.zeros_like(products)
    for i in range(len(features)):
        near = expanded(ranking, i, min(k1, len(features)))
        value = np.exp(2 * products[i, near] - 2 * products[i, near].max())
        weights[i, near] = value / value.sum()
    return jaccard_of(averaged(weights, ranking, k2), range(len(features)), slice(None))


def re_ranking(query, gallery, k1, k2, lambda_value):
    """Of a search: neighbours beside the sample itself, weights by distances over the largest of each row."""
    rows = np.concatenate([query, gallery]).astype(np.float64)
    squared = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    plain = squared / squared.max(axis=1, keepdims=True)
    ranking = np.argsort(plain, axis=1, kind="stable")
    weights = np.zeros_like(plain)
    for i in range(len(rows)):
        near = expanded(ranking, i, k1)
        value = np.exp(-plain[i, near])
        weights[i, near] = value / value.sum()
    distances = jaccard_of(averaged(weights, ranking, k2), range(len(query)), slice(len(query), None))
    return (1 - lambda_value) * distances + lambda_value * plain[: len(query), len(query) :]
