"""AMI: framing and parsing of messages, without sockets."""
