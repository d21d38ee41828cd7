"""The Alertmanager configuration of the product lets the cause stand and silences its consequences."""

import threading

from exporter import ROOT
from servers import Alertmanager

CONFIGURATION = ROOT / "deploy/alertmanager/alertmanager.yml"

# What the cases of alerts.py bring together: the cause, and what it silences.
EXPECTED = [
    ("CSPCredentialsRejected", "CSPPollsFailing"),
    ("CSPForbidden", "CSPPollsFailing"),
    ("CSPDataHeld", "CSPPollsFailing"),
    ("CSPDataWithdrawn", "CSPPollsFailing"),
    ("CSPApiErrorsHigh", "CSPApiErrorsElevated"),
    ("CSPApiTokenAboutToExpire", "CSPApiTokenExpiring"),
    ("CSPExporterShardsDisagree", "CSPExporterShardDoubled"),
]


class Inhibitions:
    """An Alertmanager that runs the product's own configuration, and who silenced whom in it."""

    def __init__(self):
        self.server = Alertmanager("product", CONFIGURATION.read_text())
        self.seen = set()
        self._over, self._thread = threading.Event(), threading.Thread(target=self._look)

    def __enter__(self):
        self.server.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.server.__exit__()

    def _look(self):
        while not self._over.wait(0.5):
            try:
                alerts = self.server.alerts()
            except OSError:
                continue
            names = {alert["fingerprint"]: alert["labels"]["alertname"] for alert in alerts}
            self.seen |= {(names.get(cause), alert["labels"]["alertname"]) for alert in alerts for cause in alert["status"]["inhibitedBy"]}

    def report(self, line):
        """Says of each pair whether it was seen."""
        for cause, consequence in EXPECTED:
            line((cause, consequence) in self.seen, f"{cause} silences {consequence}")
