// Element types: what a tensor's bytes mean, and how many make an element, a channel block and a mask bit.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace zeroskip {

// The upper half of a float32.
struct Bf16 {
  uint16_t bits;
};

// IEEE binary16. Weights only, see kernels/common/weight_format.h.
struct Fp16 {
  uint16_t bits;
};

enum class DataType {
#define ZS_TYPE(enumerator, name, bytes, channel_block, mask_elements, type) enumerator,
#include "base/types.inc"
#undef ZS_TYPE
};

struct DataTypeTraits {
  std::string_view name;
  int64_t bytes;          // of an element
  int64_t channel_block;  // channels in 64 bytes: what channels are padded to, and what one mask word covers
  int64_t mask_elements;  // channels for which one bit of the mask stands
};

inline constexpr DataTypeTraits kDataTypes[] = {
#define ZS_TYPE(enumerator, name, bytes, channel_block, mask_elements, type) \
  {#name, bytes, channel_block, mask_elements},
#include "base/types.inc"
#undef ZS_TYPE
};

inline constexpr int64_t kChannelBlockBytes = 64;
inline constexpr int64_t kMaskBitBytes = 4;
static_assert([] {
  for (const DataTypeTraits& type : kDataTypes)
    if (type.bytes * type.channel_block != kChannelBlockBytes ||
        type.bytes * type.mask_elements != kMaskBitBytes)
      return false;
  return true;
}());

// Weights alone may be fp16, weights and biases s8 and s32; tensors are of the other types.
constexpr bool is_tensor_type(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kBf16 || type == DataType::kU8;
}

constexpr const DataTypeTraits& traits(DataType type) { return kDataTypes[static_cast<size_t>(type)]; }

inline std::optional<DataType> find_data_type(std::string_view name) {
  for (size_t index = 0; index < std::size(kDataTypes); ++index)
    if (kDataTypes[index].name == name) return static_cast<DataType>(index);
  return std::nullopt;
}

// The type whose elements are T: data_type_of<float> is kFloat32.
template <typename T>
inline constexpr DataType data_type_of = [] { static_assert(!sizeof(T), "no element type"); }();
#define ZS_TYPE(enumerator, name, bytes, channel_block, mask_elements, type) \
  static_assert(sizeof(type) == bytes);                                      \
  template <>                                                                \
  inline constexpr DataType data_type_of<type> = DataType::enumerator;
#include "base/types.inc"
#undef ZS_TYPE

}  // namespace zeroskip
