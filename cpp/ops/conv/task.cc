#include "ops/conv/task.h"

#include <algorithm>

namespace zeroskip {

ConvTask task_at(const ConvGeometry& g, const GroupLayout& layout, const ConvCut& cut, int64_t index) {
  const int64_t split = index % cut.block_splits;
  const int64_t tile = index / cut.block_splits / layout.groups;
  ConvTask task{};
  if (cut.cuts_columns) {
    task.tile = {0, 0, 1, tile * cut.column_tile, std::min(cut.column_tile, g.ow - tile * cut.column_tile)};
  } else {
    const int64_t bands = ceil_div(g.oh, cut.row_tile), oy = tile % bands * cut.row_tile;
    task.tile = {tile / bands, oy, std::min(cut.row_tile, g.oh - oy), 0, g.ow};
  }
  task.group = index / cut.block_splits % layout.groups;
  task.first_block = split * cut.block_step;
  task.last_block = std::min(layout.blocks(), task.first_block + cut.block_step);
  return task;
}

ConvThreadScratch thread_scratch(const ConvPlan& plan, const RunContext& context, int thread) {
  const ConvScratch& bytes = plan.scratch;
  std::byte* acc = context.scratch.data() + bytes.gathered + thread * bytes.thread();
  std::byte* pixels = acc + bytes.acc;
  return {reinterpret_cast<float*>(acc), reinterpret_cast<const float**>(pixels),
          reinterpret_cast<float*>(pixels + bytes.pixel_list)};
}

int64_t pixel_stride_of(const TensorSpec& tensor) {
  return tensor.layout == Layout::kNhwc ? tensor.pixel_stride : tensor.shape.back();
}

PixelRange input_pixels(const ConvGeometry& g, const ConvTile& tile) {
  if (g.h == 1 && g.is_pointwise()) return {tile.ox, tile.columns};
  const int64_t first = std::clamp<int64_t>(g.input_row(tile.oy, 0), 0, g.h);
  const int64_t last = std::clamp<int64_t>(g.input_row(tile.oy + tile.rows - 1, g.kh - 1) + 1, first, g.h);
  return {(tile.n * g.h + first) * g.w, (last - first) * g.w};
}

}  // namespace zeroskip
