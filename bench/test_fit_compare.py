"""python3 -m unittest discover bench    (needs no package)"""

import contextlib
import io
import json
import os
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fit_compare


def line(ms, n=64, **more):
    return json.dumps({"bench": "fit", "n": n, "ms_per_net_step": ms, **more})


class Measurement(unittest.TestCase):
    def test_takes_the_line_of_the_size_and_passes_over_the_rest(self):
        out = "\n".join(["noise", '{"bench": "sin", "n": 64}', "[1]", line(9.0, n=256), line(0.5, adapter="x")])
        self.assertEqual(fit_compare.measurement(out, 64)["adapter"], "x")

    def test_repetitions_give_their_median(self):
        out = "\n".join(map(line, [3.0, 1.0, 2.0]))
        self.assertEqual(fit_compare.measurement(out, 64)["ms_per_net_step"], 2.0)

    def test_refuses_what_is_no_time(self):
        for bad in ["NaN", "Infinity", "0", "-1", "null", '"1"', "true"]:
            with self.subTest(bad), self.assertRaises(fit_compare.RunFailed):
                fit_compare.measurement('{"bench":"fit","n":64,"ms_per_net_step":%s}' % bad, 64)

    def test_names_the_sizes_that_were_there(self):
        with self.assertRaisesRegex(fit_compare.RunFailed, "256"):
            fit_compare.measurement(line(1.0, n=256), 64)


@unittest.skipUnless(os.name == "posix", "the stand-ins are shell scripts")
class WholeRun(unittest.TestCase):
    """Shell scripts stand in for our program and, as --python, for the peers."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"

    def script(self, name, body):
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def compare(self, ours, peers, *more):
        out, err = io.StringIO(), io.StringIO()
        arguments = ["--binary", ours, "--python", peers, "--peers", "torch,jax", "--rounds", "3", *more]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = fit_compare.main(arguments)
        return status, out.getvalue(), err.getvalue()

    def fast(self):
        return self.script("ours", f"echo '{line(0.5, adapter='Fake 9000', gflops=10.0, peak_gflops=40.0)}'")

    def peer(self):
        return self.script("peer", "case $1 in\n"
                           f"*torch*) echo '{line(1.0, peer='torch', version='7.1')}';;\n"
                           f"*) echo '{line(2.0, peer='jax', version='8.2')}';;\nesac")

    def test_ratios_are_peer_over_ours(self):
        status, out, _ = self.compare(self.fast(), self.peer(), "--json")
        rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
        self.assertEqual(status, 0)
        self.assertEqual([rows[n].get("ratio") for n in ["weightlab", "torch", "jax"]], [None, 2.0, 4.0])
        self.assertEqual(rows["jax"]["runs"], 3)

    def test_the_order_turns_from_round_to_round(self):
        self.compare(self.fast(), self.peer())
        order = [row.split()[0] + ("jax" if "jax" in row else "") for row in self.log.read_text().splitlines()]
        self.assertEqual(order, ["ours", "peer", "peerjax", "peer", "peerjax", "ours", "peerjax", "ours", "peer"])

    def test_arguments(self):
        self.compare(self.fast(), self.peer(), "--nets", "64", "--steps", "7", "--adapter", "a b", "--ours-args", "--x 'y z'")
        text = self.log.read_text()
        self.assertIn("ours bench fit --json --nets 64 --steps 7 --device a b --x y z\n", text)
        self.assertIn("siren_jax.py --nets 64 --steps 7 --warmup 10 --device cpu\n", text)

    def test_markdown_names_adapter_versions_and_share_of_the_peak(self):
        with mock.patch.object(fit_compare, "cpu_model", return_value="Some CPU"):
            status, out, _ = self.compare(self.fast(), self.peer(), "--markdown")
        self.assertEqual(status, 0)
        for part in ["Some CPU", "Fake 9000", "| torch 7.1 | 1 |", "4.00 (4.00 to 4.00)", "(25 %)"]:
            self.assertIn(part, out)

    def test_without_our_program_the_peers_are_still_measured(self):
        status, out, err = self.compare(str(self.folder / "absent"), self.peer())
        self.assertEqual(status, 1)
        self.assertIn("No such file", err)
        self.assertRegex(out, r"weightlab +failed")
        self.assertRegex(out, r"jax 8\.2 +2 ")

    def test_a_failing_program_gives_its_last_words(self):
        ours = self.script("ours", "echo first >&2; echo 'no adapter' >&2; exit 3")
        status, _, err = self.compare(ours, self.peer())
        self.assertEqual(status, 1)
        self.assertIn("weightlab: exit status 3: no adapter", err)

    def test_a_hanging_program_is_ended_with_its_children(self):
        ours = self.script("ours", f"sleep 60 & echo $! > {self.folder}/child; wait")
        _, _, err = self.compare(ours, self.peer(), "--timeout", "1", "--rounds", "1")
        self.assertIn("no end within 1 s", err)
        child = Path(f"/proc/{(self.folder / 'child').read_text().strip()}/stat")
        self.assertTrue(not child.exists() or child.read_text().split()[2] == "Z")


if __name__ == "__main__":
    unittest.main()
