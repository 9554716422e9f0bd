"""What `scale watch` saw of take-overs: scale.py FOLDER KIND..., files seen.KIND.N, and late.scale: how late a bare
timer was meanwhile, ms; status 1 when holdfast is over a limit beyond that"""
import glob
import sys

OLD, NEW = "0.1", "0.2"
DOWN = 0.3 + (256 - 100) * 0.1 / 256  # of version 3, priority 100, interval 0.1 s


def rank(values, q):
    at = q * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def read(path):
    """Lateness of first adverts, of addresses, and of all later adverts, seconds"""
    last, first, before, address, gaps = {}, {}, {}, {}, []
    for line in open(path):
        w = line.split()
        if len(w) == 4 and w[1] == "+":
            address.setdefault((w[2], w[3]), float(w[0]))
        elif len(w) == 5:
            t, router = float(w[0]), (w[1], w[2])
            if w[3] == OLD:
                last[router] = t
            elif w[4] != "0":
                if router in before:
                    gaps.append(t - before[router] - 0.1)
                first.setdefault(router, t)
                before[router] = t
    adverts = [first[r] - last[r] - DOWN for r in first if r in last]
    added = [address[r] - last[r] - DOWN for r in address if r in last]
    return adverts, added, gaps, max(address.values(), default=0) - max(last.values(), default=0) - DOWN


over = 0
bare = sorted(float(line) for line in open(f"{sys.argv[1]}/late.scale").read().split())
late = rank(bare, 0.99)
print(f"{'':24}{'min':>9}{'p50':>9}{'p99':>9}{'worst':>9}{'count':>8}")
print(f"{'bare timer':24}" + "".join(f"{rank(bare, q):9.2f}" for q in (0, 0.5, 0.99, 1)) + f"{len(bare):8}")
for kind in sys.argv[2:]:
    adverts, added, gaps, whole = [], [], [], []
    for path in sorted(glob.glob(f"{sys.argv[1]}/seen.{kind}.*")):
        a, b, c, d = read(path)
        adverts += a
        added += b
        gaps += c
        whole.append(d)
    row = {}
    for what, values in (("first advert", adverts), ("address", added), ("later adverts", gaps), ("all addresses", whole)):
        if not values:
            print(f"{kind} {what}: none seen")
            over |= kind == "holdfast"
            continue
        v = sorted(x * 1000 for x in values)
        row[what] = v
        print(f"{kind + ' ' + what:24}" + "".join(f"{rank(v, q):9.2f}" for q in (0, 0.5, 0.99, 1)) + f"{len(v):8}")
    if kind == "holdfast" and len(row) == 4:
        runs = len(whole)
        bad = [text for wrong, text in (
            (row["first advert"][0] < -0.05, "EARLY"),
            (rank(row["first advert"], 0.99) > 25 + late, "adverts OVER THE LIMIT"),
            (rank(row["all addresses"], 0.5) > 100 + late, "addresses OVER THE LIMIT"),
            (row["later adverts"][-1] > 200 + bare[-1], "adverts STARVED"),
            (len(adverts) < 1000 * runs or len(added) < 1000 * runs, "not all taken over")) if wrong]
        print("holdfast (first adverts: never early, p99 at most 25; all addresses within 100; later adverts: never two "
              f"missed; each beyond the bare timer's {late:.1f}): {', '.join(bad) or 'within'}")
        over |= bool(bad)
sys.exit(over)
