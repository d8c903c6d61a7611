# For type checkers only: the installer puts shared/secondtake/host.py here.
from secondtake.host import Answer as Answer
from secondtake.host import Bridge as Bridge
from secondtake.host import Event as Event
from secondtake.host import Problem as Problem
from secondtake.host import State as State
from secondtake.host import new_job as new_job
from secondtake.host import read_launcher as read_launcher
