from .errors import EmbeddedAwsError as EmbeddedAwsError
from .launcher import change_settings as change_settings
from .launcher import find as find
from .launcher import start as start
from .launcher import stop as stop
from .settings import Settings as Settings
from .state import Keys as Keys
from .state import Server as Server
