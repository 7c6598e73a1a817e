SELECT n, n * 2 AS twice FROM input
