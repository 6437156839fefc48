#include "ops/conv/winograd.h"

#include <algorithm>

namespace zeroskip {
namespace {

constexpr int64_t kChannelsAtOnce = 8;  // of weights gathered together, so that cache lines are read whole
constexpr int64_t kMostTaps = 16;

int64_t row_floats(int64_t channels) { return round_up(channels, kChannelBlock); }

// Matrices an odd number of cache lines apart: the 36 rows of a tile must not fall into the same few cache
// sets.
int64_t matrix_floats(int64_t tiles, int64_t row) {
  return tiles * row + kChannelBlock * (1 + tiles * row / kChannelBlock % 2);
}

int64_t outputs_of(const ConvGeometry& g) { return winograd_outputs(static_cast<int>(g.kh)); }

WinogradWork work_of(const ConvGeometry& g, int num_threads) {
  const int64_t tiles = g.n * ceil_div(g.oh, outputs_of(g)) * ceil_div(g.ow, outputs_of(g));
  return {tiles, row_floats(g.c), ceil_div(g.o, kSlab), num_threads};
}

// Transforms input channels [first, last) of one slab; weight is [o][c][taps], u the slab in the first
// matrix.
void transform_slab(const ConvGeometry& g, const KernelTable& kernels, const float* weight, int64_t slab,
                    int64_t first, int64_t last, float* u, int64_t matrix_stride) {
  const int64_t taps = g.taps();
  const WinogradWeightFn transform =
      taps == 9 ? kernels.f32_winograd4_weights : kernels.f32_winograd3_weights;
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
  AlignedFloats u(static_cast<size_t>(kWinogradMatrices * matrix_stride));
  parallel_for(context.num_threads, slabs * chunks, [&](int64_t index, int) {
    const int64_t slab = index / chunks, first = index % chunks * kChannelsAtOnce;
    transform_slab(g, context.kernels, weight, slab, first, std::min(g.c, first + kChannelsAtOnce),
                   u.data() + slab * g.c * kSlab, matrix_stride);
  });
  return u;
}

}  // namespace

bool WinogradConv::supports(const ConvGeometry& g) {
  const bool is_3x3 = g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 && g.dh == 1 && g.dw == 1;
  return is_3x3 && g.groups == 1 && g.c >= kChannelBlock && g.o >= kChannelBlock;
}

double WinogradConv::cost(const ConvGeometry& geometry, int num_threads) {
  return schedule_winograd(work_of(geometry, num_threads)).cost * num_threads;
}

WinogradConv::WinogradConv(const ConvGeometry& geometry, const float* weight, const std::string& key,
                           const BuildContext& context)
    : geometry_(geometry),
      kernels_(context.kernels),
      num_threads_(context.num_threads),
      outputs_(outputs_of(geometry)),
      finish_tile_(outputs_ == 4 ? kernels_.f32_winograd4_output : kernels_.f32_winograd3_output),
      tile_rows_(ceil_div(geometry.oh, outputs_)),
      tile_columns_(ceil_div(geometry.ow, outputs_)),
      work_(work_of(geometry, context.num_threads)),
      schedule_(schedule_winograd(work_)) {
  weights_ = context.weights.get(key + "/winograd" + std::to_string(outputs_),
                                 [&] { return transform_weights(geometry_, context, weight); });
}

WinogradConv::Task WinogradConv::task_at(int64_t index) const {
  const int64_t splits = ceil_div(work_.slabs, schedule_.slabs_per_task);
  const int64_t tile = index / splits * schedule_.tiles_per_task,
                slab = index % splits * schedule_.slabs_per_task;
  return {tile, std::min(schedule_.tiles_per_task, work_.tiles - tile), slab,
          std::min(schedule_.slabs_per_task, work_.slabs - slab)};
}

void WinogradConv::transform_inputs(const Operands& operands, const Task& task, const Matrices& v) const {
  const ConvGeometry& g = geometry_;
  WinogradInputArgs args{};
  args.height = g.h, args.width = g.w;
  args.pixel_stride = operands.x_stride, args.row_stride = g.w * operands.x_stride;
  args.blocks = work_.channels / kChannelBlock;
  args.matrix_stride = v.matrix_stride;
  for (int64_t index = 0; index < task.tiles; ++index) {
    const int64_t tile = task.first_tile + index;
    const int64_t row = tile / tile_columns_ % tile_rows_, n = tile / tile_columns_ / tile_rows_;
    args.image = operands.x + n * g.h * args.row_stride;
    args.top = row * outputs_ - g.pad_top;
    args.left = tile % tile_columns_ * outputs_ - g.pad_left;
    args.v = v.data + index * v.row_stride;
    kernels_.f32_winograd_input(args);
  }
}

// Matrix by matrix, so that weights, which may come from memory, are read once.
void WinogradConv::multiply(const Task& task, const Matrices& v, const Matrices& m) const {
  const int64_t panel = geometry_.c * kSlab, slabs = work_.slabs;
  WinogradGemmArgs args{};
  args.tiles = task.tiles, args.channels = geometry_.c;
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
  const ConvGeometry& g = geometry_;
  const int64_t first_block = task.first_slab * kSlab / kChannelBlock, channel = task.first_slab * kSlab;
  WinogradOutputArgs args{};
  args.matrix_stride = m.matrix_stride;
  args.blocks = std::min(ceil_div(g.o, kChannelBlock) - first_block, task.slabs * kSlab / kChannelBlock);
  args.bias = operands.bias + channel;
  args.row_pixels = g.ow;
  // Tasks of the same tiles start at different ones: their mask words share cache lines.
  const int64_t start = task.tiles * task.first_slab / work_.slabs;
  for (int64_t index = 0; index < task.tiles; ++index) {
    const int64_t tile = (index + start) % task.tiles;
    const int64_t line = (task.first_tile + tile) / tile_columns_;
    const int64_t oy = line % tile_rows_ * outputs_;
    const int64_t ox = (task.first_tile + tile) % tile_columns_ * outputs_;
    ConvEpilogueArgs epilogue = operands.epilogue;
    const int64_t pixel = (line / tile_rows_ * g.oh + oy) * g.ow + ox;
    epilogue.y += pixel * epilogue.y_stride + channel;
    if (epilogue.residual)
      epilogue.residual += pixel % operands.residual_pixels * epilogue.residual_stride + channel;
    if (epilogue.thresholds) epilogue.thresholds += channel;
    if (epilogue.mask) epilogue.mask += pixel * epilogue.mask_stride + first_block;
    args.m = m.data + tile * m.row_stride;
    args.rows = std::min(outputs_, g.oh - oy);
    args.columns = std::min(outputs_, g.ow - ox);
    args.epilogue = &epilogue;
    finish_tile_(args);
  }
}

// Scratch: every thread's V and M.
int64_t WinogradConv::v_floats() const {
  return kWinogradMatrices * matrix_floats(schedule_.tiles_per_task, work_.channels);
}

int64_t WinogradConv::m_floats() const {
  return kWinogradMatrices * matrix_floats(schedule_.tiles_per_task, schedule_.slabs_per_task * kSlab);
}

std::string WinogradConv::kernel_name() const { return "f32_winograd" + std::to_string(outputs_); }

size_t WinogradConv::scratch_bytes() const {
  return static_cast<size_t>(num_threads_ * (v_floats() + m_floats())) * sizeof(float);
}

void WinogradConv::run(const Operands& operands, std::span<std::byte> scratch) const {
  const int64_t tasks =
      ceil_div(work_.tiles, schedule_.tiles_per_task) * ceil_div(work_.slabs, schedule_.slabs_per_task);
  parallel_for(num_threads_, tasks, [&](int64_t index, int thread) {
    const Task task = task_at(index);
    float* own = reinterpret_cast<float*>(scratch.data()) + thread * (v_floats() + m_floats());
    const Matrices v{own, v_floats() / kWinogradMatrices, work_.channels};
    const Matrices m{own + v_floats(), m_floats() / kWinogradMatrices, schedule_.slabs_per_task * kSlab};
    transform_inputs(operands, task, v);
    multiply(task, v, m);
    finish(operands, task, m);
  });
}

}  // namespace zeroskip
