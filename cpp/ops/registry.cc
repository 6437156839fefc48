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
  DataType (*gives)(DataType taken, DataType wanted);
};

bool takes_float32(DataType type) { return type == DataType::kFloat32; }
bool takes_u8(DataType type) { return type == DataType::kU8; }
bool takes_bf16(DataType type) { return type == DataType::kBf16; }
bool takes_real(DataType type) { return type == DataType::kFloat32 || type == DataType::kBf16; }
bool takes_moved(DataType type) { return is_tensor_type(type); }

DataType gives_same(DataType taken, DataType) { return taken; }
DataType gives_wide(DataType taken, DataType wanted) { return wanted == DataType::kFloat32 ? wanted : taken; }
DataType gives_other(DataType taken, DataType) {
  return taken == DataType::kBf16 ? DataType::kFloat32 : DataType::kBf16;
}
DataType gives_float32(DataType, DataType) { return DataType::kFloat32; }
DataType gives_u8(DataType, DataType) { return DataType::kU8; }

constexpr Entry kOps[] = {
#define ZS_OP(name, in_place_from, takes, gives) \
  {#name, make_##name, in_place_from, takes_##takes, gives_##gives},
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

DataType op_gives(const std::string& name, DataType taken, DataType wanted) {
  const Entry* entry = find_entry(name);
  return entry ? entry->gives(taken, wanted) : taken;
}

bool op_runs_in_place(const std::string& name, size_t input) {
  const Entry* entry = find_entry(name);
  return entry && input >= entry->in_place_from;
}

}  // namespace zeroskip
