"""Following what storage systems say of their replicas, live, into the index of what lies where."""
