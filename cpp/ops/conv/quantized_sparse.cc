#include "ops/conv/quantized_sparse.h"

#include <algorithm>
#include <array>

namespace zeroskip {
namespace {

int64_t pairs_of(const ConvTile& tile) { return ceil_div(tile.columns, int64_t{2}); }

}  // namespace

QuantizedSparseConv::ListGrid QuantizedSparseConv::list_grid(const ConvTile& tile) const {
  const QuantizedConvPlan& plan = layer_.plan();
  if (plan.is_single_tap()) return {tile.rows, pairs_of(tile)};
  return {plan.geometry.input_rows(tile.rows),
          plan.sparse.joins_row ? pairs_of(tile) : plan.geometry.input_columns(tile.columns)};
}

// Outside the image a pixel of zero points, null where those are 0.
const uint8_t* QuantizedSparseConv::pixel(const Tensor& x, const ConvTask& task, int64_t iy,
                                          int64_t ix) const {
  const uint8_t* inside = layer_.input_pixel(x, task, iy, ix);
  if (inside || layer_.plan().x_zero_point == 0) return inside;
  return layer_.constants().outside->data();
}

// About how often the kernel will go over one list.
int64_t QuantizedSparseConv::visits_of_list(const ConvTask& task) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const ConvGeometry& g = plan.geometry;
  const int64_t slabs = ceil_div(task.last_block - task.first_block, kSlabBlocks);
  const int64_t rows = std::max<int64_t>(1, g.kh / g.sh);
  return plan.sparse.joins_row ? slabs * rows : slabs * rows * std::max<int64_t>(1, g.kw / (2 * g.sw));
}

// lists: [panel][row][column of the grid].
void QuantizedSparseConv::list_tile(const Tensor& x, const ConvTask& task, std::byte* records,
                                    const std::byte** lists) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const ConvGeometry& g = plan.geometry;
  const QuantizedSparsePlan& sparse = plan.sparse;
  const ListGrid grid = list_grid(task.tile);
  const bool has_column_lists = !plan.is_single_tap() && !sparse.joins_row;
  const int64_t row_step = plan.is_single_tap() ? g.sh : 1, column_step = has_column_lists ? 1 : 2 * g.sw;
  const int64_t top = g.input_row(task.tile.oy, 0), left = task.tile.ox * g.sw - g.pad_left;
  std::array<const uint8_t*, 2 * kMostListedSpans> pixels{};
  QuadListArgs args{};
  args.pixels = pixels.data(), args.spans = sparse.list_taps, args.visits = visits_of_list(task);
  for (int64_t channel = 0; channel < plan.layout.in; channel += sparse.panel_channels) {
    args.channels = std::min(sparse.panel_channels, plan.layout.in - channel);
    for (int64_t row = 0; row < grid.rows; ++row)
      for (int64_t column = 0; column < grid.columns; ++column, ++lists) {
        if (has_column_lists && !g.pairs_read_column(pairs_of(task.tile), column)) continue;
        const bool has_second = has_column_lists || 2 * column + 1 < task.tile.columns;
        for (int64_t tap = 0; tap < sparse.list_taps; ++tap) {
          const int64_t iy = top + row * row_step, ix = left + column * column_step + tap * g.dw;
          const uint8_t *first = pixel(x, task, iy, ix), *second = pixel(x, task, iy, ix + g.sw);
          pixels[static_cast<size_t>(2 * tap)] = first ? first + channel : nullptr;
          pixels[static_cast<size_t>(2 * tap + 1)] = second && has_second ? second + channel : nullptr;
        }
        *lists = args.record = records;
        records = layer_.kernels().u8_list_quads(args);
      }
  }
}

// visits: [panel][range of list_step lists][pair][list of the range].
void QuantizedSparseConv::point_at_lists(const ConvTask& task, const std::byte* const* lists,
                                         const std::byte** visits) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const ConvGeometry& g = plan.geometry;
  const QuantizedSparsePlan& sparse = plan.sparse;
  const ListGrid grid = list_grid(task.tile);
  const int64_t lists_of_row = g.kw / sparse.list_taps;
  const auto place = [&](int64_t row, int64_t pair, int64_t list) {
    if (plan.is_single_tap()) return row * grid.columns + pair;
    const int64_t input_row = row * g.sh + list / lists_of_row * g.dh;
    const int64_t column = sparse.joins_row ? pair : pair * 2 * g.sw + list % lists_of_row * g.dw;
    return input_row * grid.columns + column;
  };
  for (int64_t panel = 0; panel < sparse.panels; ++panel, lists += grid.rows * grid.columns)
    for (int64_t from = 0; from < sparse.lists; from += sparse.list_step)
      for (int64_t row = 0; row < task.tile.rows; ++row)
        for (int64_t pair = 0; pair < pairs_of(task.tile); ++pair)
          for (int64_t list = from; list < std::min(from + sparse.list_step, sparse.lists); ++list)
            *visits++ = lists[place(row, pair, list)];
}

// What the kernel does at once: `slabs` of them from one on, with a panel of weights from a channel and list on.
struct QuantizedSparseConv::Visit {
  int64_t slab, channel, list;
};

QuantizedSparseConv::Visit QuantizedSparseConv::after(Visit visit) const {
  const QuantizedSparsePlan& sparse = layer_.plan().sparse;
  visit.list += sparse.list_step;
  if (visit.list < sparse.lists) return visit;
  visit.list = 0, visit.channel += sparse.panel_channels;
  if (visit.channel < layer_.plan().layout.in) return visit;
  visit.channel = 0, visit.slab += sparse.slab_step;
  return visit;
}

// The weights that a visit reads, without those of its further slabs.
std::span<const std::byte> QuantizedSparseConv::weights_of(const ConvTask& task, const Visit& visit) const {
  const QuantizedSparsePlan& sparse = layer_.plan().sparse;
  const int64_t in = layer_.plan().layout.in, lists = std::min(sparse.list_step, sparse.lists - visit.list);
  const int64_t channels = std::min(sparse.panel_channels, in - visit.channel);
  const int8_t* first =
      layer_.slab_at(task, visit.slab) + (visit.list * sparse.list_taps * in + visit.channel) * kSlab;
  return {reinterpret_cast<const std::byte*>(first),
          static_cast<size_t>(lists * sparse.list_taps * channels * kSlab)};
}

void QuantizedSparseConv::run(const RunContext& context, const ConvTask& task,
                              const QuantizedThreadScratch& scratch) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const QuantizedSparsePlan& sparse = plan.sparse;
  const int64_t in = plan.layout.in, pairs = task.tile.rows * pairs_of(task.tile);
  const ListGrid grid = list_grid(task.tile);
  auto** lists = reinterpret_cast<const std::byte**>(scratch.pointers);
  const std::byte** visits = lists + sparse.panels * grid.rows * grid.columns;
  list_tile(context.inputs[0], task, scratch.input, lists);
  point_at_lists(task, lists, visits);
  QspconvArgs args{};
  args.pixels = task.tile.pixels(), args.row_pixels = task.tile.columns;
  args.acc = scratch.acc, args.acc_stride = kSlab;
  args.span_stride = sparse.list_taps * in * kSlabRowBytes;
  args.slab_stride = plan.geometry.taps() * in * kSlabRowBytes;
  const int64_t end = ceil_div(task.last_block, kSlabBlocks);
  for (Visit visit{task.first_block / kSlabBlocks, 0, 0}, next{}; visit.slab < end; visit = next) {
    next = after(visit);
    const int64_t slab = visit.slab, last_slab = std::min(slab + sparse.slab_step, end) - 1;
    args.starts = visit.channel == 0 && visit.list == 0;
    if (args.starts) args.lists = visits;
    args.spans = std::min(sparse.list_step, sparse.lists - visit.list);
    args.blocks = std::min((last_slab - slab + 1) * kSlabBlocks, plan.layout.blocks() - slab * kSlabBlocks);
    args.bias = layer_.constants().shifted_bias->data() + layer_.output_at(task, slab);
    args.weights = weights_of(task, visit).data();
    const std::span<const std::byte> coming =
        next.slab < end ? weights_of(task, next) : std::span<const std::byte>{};
    args.next_weights = coming.data(), args.next_rows = static_cast<int64_t>(coming.size()) / kSlabRowBytes;
    const bool finishes = next.slab != slab;
    RequantizeArgs epilogue{};
    if (finishes) epilogue = layer_.epilogue_at(context, task, slab, scratch.y);
    args.epilogue = finishes ? &epilogue : nullptr;
    kernel_.function(args);
    args.lists += pairs * args.spans;
    if (finishes)
      layer_.finish_slab(context, task, last_slab, (args.blocks - (last_slab - slab) * kSlabBlocks) * 16,
                         scratch.y);
  }
}

}  // namespace zeroskip
