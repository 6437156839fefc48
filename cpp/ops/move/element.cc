#include "ops/move/element.h"

namespace zeroskip {
namespace {

template <typename T>
Element as_element(T value) {
  Element element{.size = sizeof(T)};
  std::memcpy(element.bytes, &value, sizeof(T));
  return element;
}

template <typename T>
void fill(std::byte* to, int64_t count, const Element& element) {
  T value;
  std::memcpy(&value, element.bytes, sizeof(T));
  std::fill_n(reinterpret_cast<T*>(to), count, value);
}

template <typename T>
void copy(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step, int64_t count) {
  const auto* x = reinterpret_cast<const T*>(from);
  auto* y = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) y[i * to_step] = x[i * from_step];
}

}  // namespace

void copy_elements(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step, int64_t count,
                   int64_t size) {
  if (from_step == 1 && to_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(count * size));
  } else if (size == sizeof(uint32_t)) {
    copy<uint32_t>(from, from_step, to, to_step, count);
  } else if (size == sizeof(uint16_t)) {
    copy<uint16_t>(from, from_step, to, to_step, count);
  } else {
    copy<uint8_t>(from, from_step, to, to_step, count);
  }
}

Element make_element(double value, DataType type) {
  const auto as_float = static_cast<float>(value);
  if (type == DataType::kFloat32) return as_element(as_float);
  if (type == DataType::kU8) {
    const bool fits = value >= 0 && value <= 255 && value == std::floor(value);
    check(fits, "value ", value, " is no whole number from 0 to 255, as u8 needs");
    return as_element(static_cast<uint8_t>(value));
  }
  const uint32_t bits = std::bit_cast<uint32_t>(as_float);
  check(type == DataType::kBf16 && (bits & 0xffff) == 0, "value ", value, " is not exact in ",
        traits(type).name);
  return as_element(Bf16{static_cast<uint16_t>(bits >> 16)});
}

void fill_elements(std::byte* to, int64_t count, const Element& element) {
  if (element.size == 4) return fill<uint32_t>(to, count, element);
  if (element.size == 2) return fill<uint16_t>(to, count, element);
  fill<uint8_t>(to, count, element);
}

}  // namespace zeroskip
