"""The faults that were found under attack: a table with what happened before, what happens now, and the tests of it.

    python benchmarks/faults.py
    python benchmarks/faults.py --out docs/results/faults/README.md

The script runs all tests with the mark `fault(number)` and prints one row per fault. It ends with status 1 if a test
fails, or if a fault has no test. "Before" is version 0.1.0 (commit a75e381), in which each of the faults was observed.
"""

from __future__ import annotations

from marked_tests import Change, run_marked

FAULTS = {
    1: Change(
        "A finished run, audit or comparison shows the score of the old data for another folder or for changed images, "
        "with exit status 0",
        "Refused; the samples that differ are named. The data may move",
    ),
    2: Change(
        "An interrupted audit continues with the predictions of old images; a cut file of predictions gives a "
        "traceback, and a flipped bit is used",
        "Refused, with the names of the samples; a damaged file is named, and its network is trained again",
    ),
    3: Change(
        "Predictions of other rows (1,000 rows, 32 runs): 24 verdicts say that no wrong labels were found",
        "Not mended here",
    ),
    4: Change(
        "Two data sets whose files have the same names, sizes and times share decoded images; flipped bytes of the "
        "cache are used",
        "The bytes of the images are in the key of the cache; a cache of images or features with a changed byte is "
        "made again",
    ),
    5: Change(
        "A copy of `decisions.sqlite` alone holds 0 of 14 acknowledged decisions; the next start deletes the rest",
        "`decisions.jsonl` holds each decision before it is acknowledged, and can be copied or cut anywhere; logs of "
        "earlier versions are taken over and never changed",
    ),
    6: Change(
        "The folder is deleted and made again under a running server: two decisions are acknowledged and lost; a "
        "second server starts",
        "The file is compared at every request; the decision is refused (503) and waits in the page; a new folder has "
        "its own server",
    ),
    7: Change(
        "`predict RUN t.csv --out t.csv` replaces its input; `report` and `gain` replace files of their run",
        "One guard for every output: by spelling, link, second name or case",
    ),
    8: Change(
        "A run folder whose model is `http.server:test`, `os:abort` or `sys:exit` runs this code",
        "The code is named, and is imported only with `--trust`",
    ),
    9: Change(
        "Another user who listens on the port of a stopped server gets the decision and a token that the restarted "
        "server takes",
        "A new token at each start; the page sends nothing before the server has proved that it knows the token",
    ),
    10: Change(
        "An EPS file named `a.jpg` starts Ghostscript",
        "One function opens images, with eight formats; every other file is unreadable, and is named",
    ),
    11: Change(
        "`score_labels` on 2,000 x 136 in one group: over 170 s; 300 x 10,000 by coordinate: over 275 s; memory "
        "quadratic in the groups",
        "Linear in groups and coordinates; one group of 500 is as slow as before; see `wide-labels.txt`",
    ),
    12: Change(
        "`skip_unreadable` and one damaged AVIF, DDS or EPS file: a traceback",
        "Left out and named",
    ),
    13: Change("A full disk leaves an empty `audit.toml`", "Every file is written atomically"),
    14: Change(
        "A killed `score` leaves 40 to 80 MB of temporary files for ever",
        "The stream has no name on the disk; what is left of other files is removed by the next command; SIGTERM ends "
        "as Ctrl-C does",
    ),
    15: Change(
        "A file that appears at `--out` while `apply` works is replaced",
        "It is kept, and `apply` fails; the same for exports",
    ),
    16: Change(
        "A link in a data folder to a file outside becomes a second name of this file",
        "It stays a symbolic link, and a note names it",
    ),
    17: Change(
        "Tracebacks for numbers that are too large, deep nesting, FP8 weights, wrong types in files of a run",
        "Typed errors that name the file and the value",
    ),
    18: Change(
        "Parquet: an empty first row group and text that is not UTF-8 give tracebacks; `apply` loses codecs, INT96 and "
        "sorting",
        "Read; named; kept, or a note says so",
    ),
    19: Change(
        "A weight of 1e300 becomes infinite without a word; bool residuals give a traceback",
        "Typed errors that name the first values",
    ),
    20: Change(
        "Escape sequences in ids reach the terminal; CSV cells can be formulas",
        "Shown as `\\x1b`; a warning names the cells that a spreadsheet program would run",
    ),
    21: Change(
        "1,100 idle connections stop the page; a read-only folder exports nothing; the report shows absolute paths; "
        "`apply` takes 1e300",
        "At most 128 connections, and 10 s for a request; exports work; names only; one range of labels",
    ),
    22: Change(
        "Old versions with known holes are allowed; `markupsafe` is not declared; downloaded weights are checked by 8 "
        "digits",
        "Excluded; declared; all 64 digits",
    ),
}
LATER = {3: "the verdict on predictions of other rows is work of its own"}


if __name__ == "__main__":
    run_marked("fault", FAULTS, __doc__, LATER)
