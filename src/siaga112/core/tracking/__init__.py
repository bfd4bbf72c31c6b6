"""Call tracking: AMI events in, facts about ended calls out."""
