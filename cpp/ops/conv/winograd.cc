#include "ops/conv/winograd.h"

#include <algorithm>

#include "kernels/lookup.h"

namespace zeroskip {
namespace {

constexpr int64_t kChannelsAtOnce = 8;  // of weights gathered together, so that cache lines are read whole
constexpr int64_t kMostTaps = 16;

// Of the kernels that make tiles of `outputs` x `outputs`.
std::string kind_of(int64_t outputs) { return "winograd" + std::to_string(outputs); }

// Matrices an odd number of cache lines apart: the 36 rows of a tile must not fall into the same few cache
// sets.
int64_t matrix_floats(int64_t tiles, int64_t row) {
  return tiles * row + kChannelBlock * (1 + tiles * row / kChannelBlock % 2);
}

// Transforms input channels [first, last) of one slab; weight is [o][c][taps], u the slab in the first
// matrix.
void transform_slab(const ConvGeometry& g, WinogradWeightFn transform, const float* weight, int64_t slab,
                    int64_t first, int64_t last, float* u, int64_t matrix_stride) {
  const int64_t taps = g.taps();
  alignas(64) float gathered[kChannelsAtOnce * kMostTaps * kSlab] = {};
  const int64_t outputs = std::min(kSlab, g.o - slab * kSlab), values = (last - first) * taps;
  for (int64_t o = 0; o < outputs; ++o) {
    const float* source = weight + ((slab * kSlab + o) * g.c + first) * taps;
    float* target = gathered + o;
    for (int64_t value = 0; value < values; ++value) target[value * kSlab] = source[value];
  }
  for (int64_t k = first; k < last; ++k)
    transform({gathered + (k - first) * taps * kSlab, u + k * kSlab, matrix_stride});
}

AlignedFloats transform_weights(const ConvGeometry& g, const BuildContext& context, const float* weight) {
  const int64_t slabs = ceil_div(g.o, kSlab), chunks = ceil_div(g.c, kChannelsAtOnce);
  const int64_t matrix_stride = slabs * g.c * kSlab;
  const std::string kind = kind_of(winograd_outputs(static_cast<int>(g.kh))) + "_weights";
  const auto transform = get_kernel<WinogradWeightFn>(context.kernels, {.kind = kind}).function;
  AlignedFloats u(static_cast<size_t>(kWinogradMatrices * matrix_stride));
  parallel_for(context.num_threads, slabs * chunks, [&](int64_t index, int) {
    const int64_t slab = index / chunks, first = index % chunks * kChannelsAtOnce;
    transform_slab(g, transform, weight, slab, first, std::min(g.c, first + kChannelsAtOnce),
                   u.data() + slab * g.c * kSlab, matrix_stride);
  });
  return u;
}

}  // namespace

WinogradConv::WinogradConv(const WinogradPlan& plan, const float* weight, const std::string& key,
                           const BuildContext& context)
    : plan_(plan),
      kernels_(context.kernels),
      finish_tile_(
          get_kernel<WinogradOutputFn>(kernels_, {.kind = kind_of(plan.outputs) + "_output"}).function) {
  weights_ = context.weights.get(key + "/winograd" + std::to_string(plan.outputs),
                                 [&] { return transform_weights(plan.geometry, context, weight); });
}

WinogradConv::Task WinogradConv::task_at(int64_t index) const {
  const int64_t splits = ceil_div(plan_.work.slabs, plan_.schedule.slabs_per_task);
  const int64_t tile = index / splits * plan_.schedule.tiles_per_task,
                slab = index % splits * plan_.schedule.slabs_per_task;
  return {tile, std::min(plan_.schedule.tiles_per_task, plan_.work.tiles - tile), slab,
          std::min(plan_.schedule.slabs_per_task, plan_.work.slabs - slab)};
}

void WinogradConv::transform_inputs(const Operands& operands, const Task& task, const Matrices& v) const {
  const ConvGeometry& g = plan_.geometry;
  WinogradInputArgs args{};
  args.height = g.h, args.width = g.w;
  args.pixel_stride = operands.x_stride, args.row_stride = g.w * operands.x_stride;
  args.blocks = plan_.work.channels / kChannelBlock;
  args.matrix_stride = v.matrix_stride;
  for (int64_t index = 0; index < task.tiles; ++index) {
    const int64_t tile = task.first_tile + index;
    const int64_t row = tile / plan_.tile_columns % plan_.tile_rows,
                  n = tile / plan_.tile_columns / plan_.tile_rows;
    args.image = operands.x + n * g.h * args.row_stride;
    args.top = row * plan_.outputs - g.pad_top;
    args.left = tile % plan_.tile_columns * plan_.outputs - g.pad_left;
    args.v = v.data + index * v.row_stride;
    kernels_.f32_winograd_input(args);
  }
}

// Matrix by matrix, so that weights, which may come from memory, are read once.
void WinogradConv::multiply(const Task& task, const Matrices& v, const Matrices& m) const {
  const int64_t panel = plan_.geometry.c * kSlab, slabs = plan_.work.slabs;
  WinogradGemmArgs args{};
  args.tiles = task.tiles, args.channels = plan_.geometry.c;
  args.v_stride = v.row_stride, args.m_stride = m.row_stride;
  for (int64_t matrix = 0; matrix < kWinogradMatrices; ++matrix) {
    args.v = v.data + matrix * v.matrix_stride;
    for (int64_t slab = 0; slab < task.slabs; ++slab) {
      const bool is_last = slab + 1 == task.slabs;
      args.u = weights_->data() + (matrix * slabs + task.first_slab + slab) * panel;
      args.next_u = is_last ? args.u + (slabs - slab) * panel : args.u + panel;
      if (is_last && matrix + 1 == kWinogradMatrices) args.next_u = nullptr;
      args.m = m.data + matrix * m.matrix_stride + slab * kSlab;
      kernels_.f32_winograd_gemm_ukernel(args);
    }
  }
}

void WinogradConv::finish(const Operands& operands, const Task& task, const Matrices& m) const {
  const ConvGeometry& g = plan_.geometry;
  const int64_t first_block = task.first_slab * kSlab / kChannelBlock, channel = task.first_slab * kSlab;
  WinogradOutputArgs args{};
  args.matrix_stride = m.matrix_stride;
  args.blocks = std::min(ceil_div(g.o, kChannelBlock) - first_block, task.slabs * kSlab / kChannelBlock);
  args.bias = operands.bias + channel;
  args.row_pixels = g.ow;
  // Tasks of the same tiles start at different ones: their mask words share cache lines.
  const int64_t start = task.tiles * task.first_slab / plan_.work.slabs;
  for (int64_t index = 0; index < task.tiles; ++index) {
    const int64_t tile = (index + start) % task.tiles;
    const int64_t line = (task.first_tile + tile) / plan_.tile_columns;
    const int64_t oy = line % plan_.tile_rows * plan_.outputs;
    const int64_t ox = (task.first_tile + tile) % plan_.tile_columns * plan_.outputs;
    ConvEpilogueArgs epilogue = operands.epilogue;
    const int64_t pixel = (line / plan_.tile_rows * g.oh + oy) * g.ow + ox;
    epilogue.y += pixel * epilogue.y_stride + channel;
    if (epilogue.residual)
      epilogue.residual += pixel % operands.residual_pixels * epilogue.residual_stride + channel;
    if (epilogue.thresholds) epilogue.thresholds += channel;
    if (epilogue.mask) epilogue.mask += pixel * epilogue.mask_stride + first_block;
    args.m = m.data + tile * m.row_stride;
    args.rows = std::min(plan_.outputs, g.oh - oy);
    args.columns = std::min(plan_.outputs, g.ow - ox);
    args.epilogue = &epilogue;
    finish_tile_(args);
  }
}

// Scratch: every thread's V and M.
int64_t WinogradConv::v_floats() const {
  return kWinogradMatrices * matrix_floats(plan_.schedule.tiles_per_task, plan_.work.channels);
}

int64_t WinogradConv::m_floats() const {
  return kWinogradMatrices *
         matrix_floats(plan_.schedule.tiles_per_task, plan_.schedule.slabs_per_task * kSlab);
}

std::string WinogradConv::kernel_name() const { return "f32_" + kind_of(plan_.outputs); }

size_t WinogradConv::scratch_bytes() const {
  return static_cast<size_t>(plan_.work.num_threads * (v_floats() + m_floats())) * sizeof(float);
}

void WinogradConv::run(const Operands& operands, std::span<std::byte> scratch) const {
  const int64_t tasks = ceil_div(plan_.work.tiles, plan_.schedule.tiles_per_task) *
                        ceil_div(plan_.work.slabs, plan_.schedule.slabs_per_task);
  parallel_for(plan_.work.num_threads, tasks, [&](int64_t index, int thread) {
    const Task task = task_at(index);
    float* own = reinterpret_cast<float*>(scratch.data()) + thread * (v_floats() + m_floats());
    const Matrices v{own, v_floats() / kWinogradMatrices, plan_.work.channels};
    const Matrices m{own + v_floats(), m_floats() / kWinogradMatrices, plan_.schedule.slabs_per_task * kSlab};
    transform_inputs(operands, task, v);
    multiply(task, v, m);
    finish(operands, task, m);
  });
}

}  // namespace zeroskip
