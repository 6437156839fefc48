// to_nhwc, to_row: the way into the engine's layout and out of it.
#include <cstring>

#include "kernels/lookup.h"
#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

enum class RowOrder { kNchw, kNhwc };

RowOrder parse_order(const StepSpec& step, const char* attribute) {
  const std::string order = step.get_string(attribute, "nchw");
  if (order == "nchw") return RowOrder::kNchw;
  check(order == "nhwc", attribute, " is '", order, "', needs 'nchw' or 'nhwc'");
  return RowOrder::kNhwc;
}

// The row side may have any shape with as many elements: (N, C, L) or (N, C) for H = 1, or one that was
// reshaped.
void require_same_elements(const TensorSpec& row, const TensorSpec& nhwc) {
  require_layout(row, Layout::kRow);
  require_layout(nhwc, Layout::kNhwc);
  check(row.elements() == nhwc.elements(), "tensor '", row.name, "' has shape ", shape_text(row.shape),
        ", needs as many elements as ", shape_text(nhwc.shape));
}

// Calls body(image, first pixel of the task within it, pixels) in parallel.
template <typename Body>
void for_pixel_runs(const TensorSpec& nhwc, int num_threads, const Body& body) {
  const int64_t image_pixels = nhwc.h() * nhwc.w();
  const Split split = split_items(image_pixels, nhwc.padded_c(), num_threads);
  parallel_for(num_threads, nhwc.n() * split.tasks(), [&](int64_t task, int) {
    const int64_t part = task % split.tasks();
    body(task / split.tasks(), split.begin(part), split.count(part));
  });
}

class ToNhwc final : public Op {
 public:
  ToNhwc(const KernelTable& kernels, const TensorSpec& y, RowOrder order)
      : transpose_(get_kernel<PlanarToNhwcFn>(kernels, {.kind = "planar_to_nhwc", .input = y.dtype})),
        mask_(kernels, y),
        order_(order) {}

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const TensorSpec& spec = *y.spec;
    const int64_t plane = spec.h() * spec.w(), channels = spec.c(), size = spec.element_bytes();
    for_pixel_runs(spec, context.num_threads, [&](int64_t image, int64_t first, int64_t pixels) {
      const int64_t pixel = image * plane + first;
      if (order_ == RowOrder::kNchw) {
        const PlanarArgs args{
            .pixels = pixels, .channels = channels, .plane_stride = plane, .pixel_stride = spec.pixel_stride};
        transpose_.function(args, x.data + (image * channels * plane + first) * size, y.pixel(pixel));
      } else {
        copy_pixels(x.data + pixel * channels * size, channels * size, y.pixel(pixel), spec.pixel_bytes(),
                    pixels, channels * size);
      }
      mask_.write(y, pixel, pixels);
    });
  }
  std::string kernel_name() const override { return order_ == RowOrder::kNchw ? transpose_.name : "copy"; }

 private:
  Kernel<PlanarToNhwcFn> transpose_;
  MaskWriter mask_;
  RowOrder order_;
};

class ToRow final : public Op {
 public:
  ToRow(const KernelTable& kernels, const TensorSpec& x, RowOrder order)
      : transpose_(get_kernel<NhwcToPlanarFn>(kernels, {.kind = "nhwc_to_planar", .input = x.dtype})),
        order_(order) {}

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const TensorSpec& spec = *x.spec;
    std::byte* y = context.outputs[0].data;
    const int64_t plane = spec.h() * spec.w(), channels = spec.c(), size = spec.element_bytes();
    for_pixel_runs(spec, context.num_threads, [&](int64_t image, int64_t first, int64_t pixels) {
      const int64_t pixel = image * plane + first;
      if (order_ == RowOrder::kNchw) {
        const PlanarArgs args{
            .pixels = pixels, .channels = channels, .plane_stride = plane, .pixel_stride = spec.pixel_stride};
        transpose_.function(args, x.pixel(pixel), y + (image * channels * plane + first) * size);
        return;
      }
      for (int64_t p = pixel; p < pixel + pixels; ++p)
        std::memcpy(y + p * channels * size, x.pixel(p), static_cast<size_t>(channels * size));
    });
  }
  std::string kernel_name() const override { return order_ == RowOrder::kNchw ? transpose_.name : "copy"; }

 private:
  Kernel<NhwcToPlanarFn> transpose_;
  RowOrder order_;
};

}  // namespace

std::unique_ptr<Op> make_to_nhwc(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const RowOrder order = parse_order(step, "input_layout");
  require_same_elements(context.input(step, 0), context.output(step, 0));
  return std::make_unique<ToNhwc>(context.kernels, context.output(step, 0), order);
}

std::unique_ptr<Op> make_to_row(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const RowOrder order = parse_order(step, "output_layout");
  require_same_elements(context.output(step, 0), context.input(step, 0));
  return std::make_unique<ToRow>(context.kernels, context.input(step, 0), order);
}

}  // namespace zeroskip
