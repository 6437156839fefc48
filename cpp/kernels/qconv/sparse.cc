// u8 convolution by lists of non-zeros: two pixels at a time, four entries a step.
#include <algorithm>

#include "kernels/common/prefetch.h"
#include "kernels/common/quad_simd.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

// Where a list's parts begin.
struct ListReader {
  const std::byte* at;

  const uint16_t* take_offsets(int64_t steps) {
    const auto* offsets = reinterpret_cast<const uint16_t*>(at);
    at += 8 * steps + kQuadListSlack;
    return offsets;
  }
  const uint8_t* take_values(int64_t steps) {
    const auto* values = reinterpret_cast<const uint8_t*>(at);
    at += 4 * steps + kQuadListSlack;
    return values;
  }
};

inline QuadRows interleave_listed(const std::byte* rows, const uint16_t* offsets) {
  return interleave_rows(rows, [&](int i) { return offsets[i] * kOffsetBytes; });
}

inline void add_both(IntVec (&a)[4], IntVec (&b)[4], ListReader& list, int64_t steps, const std::byte* rows) {
  const uint16_t* offsets = list.take_offsets(steps);
  const uint8_t *first = list.take_values(steps), *second = list.take_values(steps);
  for (const uint8_t* end = first + 4 * steps; first != end; first += 4, second += 4, offsets += 4) {
    const QuadRows weights = interleave_listed(rows, offsets);
    const ByteVec x = broadcast_quad(first), y = broadcast_quad(second);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      add_quads(a[i], x, weights.parts[i]);
      add_quads(b[i], y, weights.parts[i]);
    }
  }
}

inline void add_one(IntVec (&sums)[4], ListReader& list, int64_t steps, const std::byte* rows) {
  const uint16_t* offsets = list.take_offsets(steps);
  const uint8_t* values = list.take_values(steps);
  for (const uint8_t* end = values + 4 * steps; values != end; values += 4, offsets += 4) {
    const QuadRows weights = interleave_listed(rows, offsets);
    const ByteVec x = broadcast_quad(values);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) add_quads(sums[i], x, weights.parts[i]);
  }
}

// kQuadOutputs outputs of a pair.
inline void add_pair(const QspconvArgs& args, const RequantizeArgs& epilogue, const std::byte* const* lists,
                     int64_t pixel, bool has_second, int32_t* acc, int64_t column) {
  IntVec a[4] = {}, b[4] = {};
  if (!args.starts) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      a[i] = load_ints(acc + i * kLanes);
      b[i] = load_ints(acc + args.acc_stride + i * kLanes);
    }
  }
  const std::byte* rows = args.weights + column / kSlabOutputs * args.slab_stride + column % kSlabOutputs;
  for (int64_t span = 0; span < args.spans; ++span, rows += args.span_stride) {
    const auto header = *reinterpret_cast<const QuadListHeader*>(lists[span]);
    ListReader list{lists[span] + sizeof(QuadListHeader)};
    add_both(a, b, list, header.both, rows);
    add_one(a, list, header.first, rows);
    add_one(b, list, header.second, rows);
  }
  if (args.epilogue) {
    finish_quads(a, args.bias, args.blocks, epilogue, pixel, column);
    if (has_second) finish_quads(b, args.bias, args.blocks, epilogue, pixel + 1, column);
    return;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    store_ints(acc + i * kLanes, a[i]);
    store_ints(acc + args.acc_stride + i * kLanes, b[i]);
  }
}

}  // namespace

void u8_s8w_qspconv_ukernel_2x64(const QspconvArgs& args) {
  // A copy, which no store to y can change.
  const RequantizeArgs epilogue = args.epilogue ? *args.epilogue : RequantizeArgs{};
  const std::byte* const* lists = args.lists;
  int32_t* acc = args.acc;
  const int64_t pairs = std::max<int64_t>(1, args.pixels / args.row_pixels * ((args.row_pixels + 1) / 2));
  const int64_t rows_per_pair = (args.next_rows + pairs - 1) / pairs;
  const std::byte *next = args.next_weights, *next_end = next + args.next_rows * kSlabRowBytes;
  for (int64_t row = 0; row < args.pixels; row += args.row_pixels)
    for (int64_t x = 0; x < args.row_pixels; x += 2, lists += args.spans, acc += 2 * args.acc_stride) {
      for (int64_t i = 0; i < rows_per_pair && next != next_end; ++i, next += kSlabRowBytes)
        prefetch_to_l2(next);
      for (int64_t column = 0; column < args.blocks * 16; column += kQuadOutputs)
        add_pair(args, epilogue, lists, row + x, x + 1 < args.row_pixels, acc + column, column);
    }
}

}  // namespace zeroskip::ZS_ISA
