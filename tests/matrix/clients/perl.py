"""IO::Socket::INET with a time-out: select(), then a second connect()"""

NEEDS = "perl"
SERVICE = "echo"
COMMAND = ["perl", "{file}", "{host}", "{port}"]
PRINTS = "it echoes"
SOURCE = (
    "client.pl",
    """
use strict;
use IO::Socket::INET;

my $socket = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 20)
    or die "$@: $!\\n";
print $socket "it echoes\\n";
$socket->flush();
print scalar <$socket>;
""",
)
