"""What users write: policies, annotations and labels, and the conditions that answer them.

Nothing here talks to a cluster: these modules import no kopf, HTTP or API client.
"""
