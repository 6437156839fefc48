// Where an activation lives and how it is laid out.
//
// row:  contiguous row-major values of `shape`. It may be the caller's memory (graph inputs and outputs),
// hence has
//       no alignment and no slack: row tensors are read and written exactly.
// nhwc: logical shape (N, C, H, W), stored [N][H][W][pixel_stride]; pixel_stride is a multiple of the element
// type's channel block B (64 bytes, 16 of float32) and at least C rounded up to B. Channels between C and
//       that bound are zero: every producer writes them.
// mask: for nhwc only, one uint16 word per channel block, [N][H][W][pixel_stride / B]; a bit stands for 4
//       bytes: bit j of word i says that one of the m channels from B * i + m * j on differs from zero, m
//       being 1 of float32 (NaN counts as non-zero, -0.0 as zero). A channel slice of a wider buffer keeps
//       that buffer's strides, so its mask starts on any word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace zeroskip {

enum class Layout { kRow, kNhwc };

inline constexpr int64_t kChannelBlock = traits(DataType::kFloat32).channel_block;
inline constexpr size_t kAlignment = 64;          // of every buffer, bytes
inline constexpr int64_t kArenaSlackBytes = 256;  // kernels may read, never write, this far past a buffer
inline constexpr int64_t kExternalOffset = -1;    // a graph input or output: the caller's memory

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
constexpr int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;  // logical, in ONNX order
  Layout layout = Layout::kRow;
  DataType dtype = DataType::kFloat32;
  bool masked = false;
  int64_t pixel_stride = 0;               // nhwc only, in elements
  int64_t offset = kExternalOffset;       // bytes into the arena
  int64_t mask_offset = kExternalOffset;  // bytes into the arena

  int64_t elements() const;  // logical
  int64_t bytes() const;     // from the first to the last stored value: a channel slice spans its neighbours
  int64_t mask_bytes() const;  // likewise; 0 when there is no mask
  int64_t pixels() const;      // nhwc only: N * H * W
  int64_t n() const { return shape[0]; }
  int64_t c() const { return shape[1]; }
  int64_t h() const { return shape[2]; }
  int64_t w() const { return shape[3]; }
  int64_t element_bytes() const { return traits(dtype).bytes; }
  int64_t channel_block() const { return traits(dtype).channel_block; }
  int64_t padded_c() const { return round_up(c(), channel_block()); }
  int64_t blocks() const { return padded_c() / channel_block(); }
  int64_t pixel_bytes() const { return pixel_stride * element_bytes(); }  // from one pixel to the next
  int64_t mask_stride() const { return pixel_stride / channel_block(); }
};

std::string shape_text(const std::vector<int64_t>& shape);  // "[1, 64, 56, 56]"

// A tensor during a run: the spec plus where its bytes are now.
struct Tensor {
  const TensorSpec* spec = nullptr;
  std::byte* data = nullptr;
  uint16_t* mask = nullptr;  // null unless spec->masked

  // The elements, which are T's: factories of operators see to that, so this never throws Error in a run.
  template <typename T>
  T* as() const {
    check(spec->dtype == data_type_of<T>, "tensor '", spec->name, "' holds ", traits(spec->dtype).name,
          ", not ", traits(data_type_of<T>).name);
    return reinterpret_cast<T*>(data);
  }
  // Where the pixel-th pixel of an nhwc tensor begins.
  std::byte* pixel(int64_t index) const { return data + index * spec->pixel_bytes(); }
};

}  // namespace zeroskip
