"""SLAs and alerts: what must hold, whether it does, and when to tell somebody."""

from __future__ import annotations

from .alerts import AlertBook
from .builtin import builtin_alerts, builtin_slas
from .config_file import apply, configure
from .counting import thresholds
from .evidence import remember
from .figures import Figure, Op, Quantile, Ratio, Selector
from .judge import judge, judge_all
from .objectives import Objective, QuantileObjective, RatioObjective, Sla, Status
from .rules import Alert, AlertChange, AlertRule, AlertState, Severity
from .tracker import SlaChange, SlaTracker
from .verdicts import ObjectiveVerdict, SlaVerdict, worst

__all__ = [
    "Alert",
    "AlertBook",
    "AlertChange",
    "AlertRule",
    "AlertState",
    "Figure",
    "Objective",
    "ObjectiveVerdict",
    "Op",
    "Quantile",
    "QuantileObjective",
    "Ratio",
    "RatioObjective",
    "Selector",
    "Severity",
    "Sla",
    "SlaChange",
    "SlaTracker",
    "SlaVerdict",
    "Status",
    "apply",
    "builtin_alerts",
    "builtin_slas",
    "configure",
    "judge",
    "judge_all",
    "remember",
    "thresholds",
    "worst",
]
