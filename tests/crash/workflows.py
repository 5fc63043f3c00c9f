"""Found by the workers of the crash tests."""

from tests.crash.flow import make

make()
