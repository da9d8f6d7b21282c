-- Health of an Application, which Argo CD tells nothing of by itself: without it sync waves would not wait.
local health = { status = "Progressing", message = "" }
if obj.status ~= nil and obj.status.health ~= nil then
  health.status = obj.status.health.status
  health.message = obj.status.health.message or ""
end
return health
