# Runs one module of CPython's own tests and prints one JSON line for each test: [id, outcome, reason]. MODULE is set by a
# line above. The program is the same inside a jail and outside. The output of the tests is discarded.
import importlib, json, os, socket, sys, tempfile, unittest

out = os.fdopen(os.dup(1), "w")
null = os.open(os.devnull, os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(null, fd)
os.chdir(tempfile.mkdtemp())


def say(name, outcome, why=""):
    out.write(json.dumps([name, outcome, str(why)[-300:]]) + "\n")
    out.flush()


class Result(unittest.TestResult):
    """Reports the outcome of each test. If a subtest fails, the test fails."""

    def startTest(self, test):
        super().startTest(test)
        self.outcome = "ok", ""

    def stopTest(self, test):
        super().stopTest(test)
        say(test.id(), *self.outcome)

    def note(self, test, outcome, why):
        if hasattr(test, "_testMethodName"):
            self.outcome = outcome, why
        else:
            say(str(test), outcome, why)  # an error of a class or module, which belongs to no test

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "error", self.errors[-1][1])

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "failure", self.failures[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", reason)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.outcome = "failure", f"{subtest}: {error[1]!r}"


try:
    from test import support

    del socket.IPPROTO_UDPLITE  # denied inside; its tests repeat those of UDP

    support.use_resources = []  # skip tests that need a network, a display, hours or gigabytes
    module = importlib.import_module("test." + MODULE)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
except unittest.SkipTest as reason:
    say("test." + MODULE, "skipped", reason)
except BaseException as error:
    say("test." + MODULE, type(error).__name__, error)
else:
    try:
        suite.run(Result())
    except BaseException as error:
        say("test." + MODULE, type(error).__name__, error)
say("test." + MODULE + ".END", "ok")
os._exit(0)
