-- How Argo CD judges a VolumePlacementPolicy or a ClusterVolumePlacementPolicy.
--
-- Healthy says that the policy is in force, not that all pods run near their data: that is the condition VolumeLocal, and
-- it must not make an application look broken.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Mooring has not read this version of the policy yet"}
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions.Ready, conditions.Stalled
if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
if ready ~= nil and ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
return {status = "Progressing", message = "the policy is not in force yet"}
