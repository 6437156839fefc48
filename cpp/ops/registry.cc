#include <limits>
#include <string_view>

#include "ops/ops.h"

namespace zeroskip {
namespace {

constexpr size_t kNever = std::numeric_limits<size_t>::max();

struct Entry {
  std::string_view name;
  OpFactory factory;
  size_t in_place_from;
  bool (*takes)(DataType);
};

bool takes_float32(DataType type) { return type == DataType::kFloat32; }
bool takes_moved(DataType type) { return type != DataType::kFp16; }

constexpr Entry kOps[] = {
#define ZS_OP(name, in_place_from, types) {#name, make_##name, in_place_from, takes_##types},
#include "ops/list.inc"
#undef ZS_OP
};

const Entry* find_entry(const std::string& name) {
  for (const Entry& entry : kOps)
    if (entry.name == name) return &entry;
  return nullptr;
}

}  // namespace

OpFactory find_op(const std::string& name) {
  const Entry* entry = find_entry(name);
  return entry ? entry->factory : nullptr;
}

bool op_takes(const std::string& name, DataType type) {
  const Entry* entry = find_entry(name);
  return entry && entry->takes(type);
}

bool op_runs_in_place(const std::string& name, size_t input) {
  const Entry* entry = find_entry(name);
  return entry && input >= entry->in_place_from;
}

}  // namespace zeroskip
