"""The same work on other systems, from Debian's packages, unpacked and run beside ours."""
