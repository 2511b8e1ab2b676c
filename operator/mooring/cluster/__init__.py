"""What the cluster says: slim typed records and the live index over them, fed by watches or by YAML."""
