"""SLAs and alerts: what must hold, whether it does, and when to tell somebody.

Names are imported when they are first asked for: start-up needs the rules, not the judging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer

if TYPE_CHECKING:
    from .alert import Alert, AlertChange, AlertState
    from .alerts import AlertBook
    from .builtin import builtin_alerts, builtin_slas
    from .config_file import apply, configure
    from .counting import thresholds, totals
    from .evidence import remember
    from .figures import Figure, Op, Quantile, Ratio, Selector
    from .judge import judge, judge_all
    from .objectives import Objective, QuantileObjective, RatioObjective, Sla, Status
    from .rules import AlertRule, Severity
    from .tracker import SlaTracker
    from .verdicts import ObjectiveVerdict, SlaChange, SlaVerdict, worst

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
    "totals",
    "worst",
]

_HOMES: Final = {
    "Alert": "alert",
    "AlertBook": "alerts",
    "AlertChange": "alert",
    "AlertRule": "rules",
    "AlertState": "alert",
    "Figure": "figures",
    "Objective": "objectives",
    "ObjectiveVerdict": "verdicts",
    "Op": "figures",
    "Quantile": "figures",
    "QuantileObjective": "objectives",
    "Ratio": "figures",
    "RatioObjective": "objectives",
    "Selector": "figures",
    "Severity": "rules",
    "Sla": "objectives",
    "SlaChange": "verdicts",
    "SlaTracker": "tracker",
    "SlaVerdict": "verdicts",
    "Status": "objectives",
    "apply": "config_file",
    "builtin_alerts": "builtin",
    "builtin_slas": "builtin",
    "configure": "config_file",
    "judge": "judge",
    "judge_all": "judge",
    "remember": "evidence",
    "thresholds": "counting",
    "totals": "counting",
    "worst": "verdicts",
}

__getattr__ = importer(__name__, _HOMES, globals())
