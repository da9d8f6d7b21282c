-- Health of an IdempotentConsumer and of a DeadLetterReplay: both have kstatus' conditions.
-- It says what the CEL expressions of flux/consumers.yaml say; Flux knows no Suspended, there it is current.
local health = { status = "Progressing", message = "The operator has not seen this version yet." }
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

if is("Stalled") then
  health.status = "Degraded"
elseif is("Ready") then
  health.status = obj.spec.paused and "Suspended" or "Healthy"
end
local ready = conditions["Ready"]
if ready ~= nil then
  health.message = ready.reason .. ": " .. (ready.message or "")
end
return health
