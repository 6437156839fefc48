// pixel_shuffle: every pixel of x becomes a block of pixels of y, of which the border may be cut off. Channel
// ((g * rows + i) * columns + j) * width + c of x goes to row i and column j of the block, channel g * width + c;
// g counts the groups. What a transposed convolution ends with, nhwc.
#include <algorithm>

#include "kernels/lookup.h"
#include "ops/epilogue.h"
#include "ops/mask.h"
#include "ops/move/element.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class PixelShuffle final : public Op {
 public:
  PixelShuffle(const StepSpec& step, const BuildContext& context)
      : mask_(context.kernels, context.output(step, 0)) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_layout(x, Layout::kNhwc);
    require_layout(y, Layout::kNhwc);
    const auto blocks = step.get_ints("blocks", 2), crops = step.get_ints("crops", 4);
    rows_ = blocks[0], columns_ = blocks[1], top_ = crops[0], left_ = crops[1];
    groups_ = step.get_int("groups", 1);
    check(rows_ >= 1 && columns_ >= 1 && groups_ >= 1 && rows_ <= x.c() && columns_ <= x.c() &&
              groups_ <= x.c(),
          "blocks of ", rows_, " x ", columns_, " in ", groups_, " groups do not fit ", x.c(), " channels");
    for (const int64_t crop : crops) check(crop >= 0, "crops must not be negative, got ", crop);
    const int64_t parts = groups_ * rows_ * columns_;
    check(x.c() % parts == 0, x.c(), " channels are no multiple of ", parts);
    width_ = x.c() / parts;
    require_shape(
        y, {x.n(), groups_ * width_, x.h() * rows_ - top_ - crops[2], x.w() * columns_ - left_ - crops[3]});
    element_bytes_ = x.element_bytes();
    epilogue_ = parse_epilogue(step, y.c());
    if (epilogue_.thresholds_or_null())
      rectify_ = get_kernel<EltwiseFn>(context.kernels, {.kind = "fatrelu", .input = y.dtype}).function;
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const TensorSpec& to = *y.spec;
    const Split split = split_items(to.n() * to.h(), to.w() * to.padded_c(), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t row = split.begin(task); row < split.begin(task) + split.count(task); ++row)
        shuffle_row(x, y, row);
      const int64_t first = split.begin(task) * to.w(), count = split.count(task) * to.w();
      rectify_ ? rectify(y, first, count) : mask_.write(y, first, count);
    });
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  // While what was moved is still in a cache.
  void rectify(const Tensor& y, int64_t first, int64_t count) const {
    EltwiseArgs args;
    args.pixels = count;
    args.channels = y.spec->c();
    args.x_stride = args.y_stride = y.spec->pixel_stride;
    args.y = y.as<float>() + first * args.y_stride;
    args.x = args.y;
    args.mask_stride = y.spec->mask_stride();
    if (y.mask) args.mask = y.mask + first * args.mask_stride;
    args.thresholds = epilogue_.thresholds_or_null();
    args.max_value = epilogue_.max_value;
    rectify_(args);
  }

  void shuffle_row(const Tensor& x, const Tensor& y, int64_t row) const {
    const TensorSpec& from = *x.spec;
    const TensorSpec& to = *y.spec;
    const int64_t image = row / to.h(), down = row % to.h() + top_;
    const int64_t first_pixel = (image * from.h() + down / rows_) * from.w(), i = down % rows_;
    const auto bytes = static_cast<size_t>(width_ * element_bytes_);
    const auto padding = static_cast<size_t>((to.padded_c() - to.c()) * element_bytes_);
    for (int64_t column = 0; column < to.w(); ++column) {
      const int64_t right = column + left_, j = right % columns_;
      const std::byte* source = x.pixel(first_pixel + right / columns_);
      std::byte* target = y.pixel(row * to.w() + column);
      for (int64_t g = 0; g < groups_; ++g)
        std::memcpy(target + static_cast<size_t>(g) * bytes,
                    source + static_cast<size_t>((g * rows_ + i) * columns_ + j) * bytes, bytes);
      std::memset(target + static_cast<size_t>(groups_) * bytes, 0, padding);
    }
  }

  MaskWriter mask_;
  Epilogue epilogue_;
  EltwiseFn rectify_ = nullptr;
  int64_t rows_, columns_, top_, left_, groups_, width_, element_bytes_;
};

}  // namespace

std::unique_ptr<Op> make_pixel_shuffle(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<PixelShuffle>(step, context);
}

}  // namespace zeroskip
