// to_nhwc, to_row: the way into the engine's layout and out of it.
#include <cstring>

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
  ToNhwc(const KernelTable& kernels, RowOrder order) : kernels_(kernels), order_(order) {}

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const int64_t plane = y.spec->h() * y.spec->w(), channels = y.spec->c(), stride = y.spec->pixel_stride;
    for_pixel_runs(*y.spec, context.num_threads, [&](int64_t image, int64_t first, int64_t pixels) {
      const int64_t pixel = image * plane + first;
      float* to = y.data + pixel * stride;
      if (order_ == RowOrder::kNchw) {
        const PlanarArgs args{
            .pixels = pixels, .channels = channels, .plane_stride = plane, .pixel_stride = stride};
        kernels_.f32_planar_to_nhwc(args, x.data + image * channels * plane + first, to);
      } else {
        copy_pixels(x.data + pixel * channels, channels, to, stride, pixels, channels);
      }
      write_mask(kernels_, y, pixel, pixels);
    });
  }
  std::string kernel_name() const override {
    return order_ == RowOrder::kNchw ? "f32_planar_to_nhwc" : "copy";
  }

 private:
  const KernelTable& kernels_;
  RowOrder order_;
};

class ToRow final : public Op {
 public:
  ToRow(const KernelTable& kernels, RowOrder order) : kernels_(kernels), order_(order) {}

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    float* y = context.outputs[0].data;
    const int64_t plane = x.spec->h() * x.spec->w(), channels = x.spec->c(), stride = x.spec->pixel_stride;
    for_pixel_runs(*x.spec, context.num_threads, [&](int64_t image, int64_t first, int64_t pixels) {
      const int64_t pixel = image * plane + first;
      const float* from = x.data + pixel * stride;
      if (order_ == RowOrder::kNchw) {
        const PlanarArgs args{
            .pixels = pixels, .channels = channels, .plane_stride = plane, .pixel_stride = stride};
        kernels_.f32_nhwc_to_planar(args, from, y + image * channels * plane + first);
        return;
      }
      for (int64_t p = 0; p < pixels; ++p)
        std::memcpy(y + (pixel + p) * channels, from + p * stride,
                    static_cast<size_t>(channels) * sizeof(float));
    });
  }
  std::string kernel_name() const override {
    return order_ == RowOrder::kNchw ? "f32_nhwc_to_planar" : "copy";
  }

 private:
  const KernelTable& kernels_;
  RowOrder order_;
};

}  // namespace

std::unique_ptr<Op> make_to_nhwc(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const RowOrder order = parse_order(step, "input_layout");
  require_same_elements(context.input(step, 0), context.output(step, 0));
  return std::make_unique<ToNhwc>(context.kernels, order);
}

std::unique_ptr<Op> make_to_row(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const RowOrder order = parse_order(step, "output_layout");
  require_same_elements(context.output(step, 0), context.input(step, 0));
  return std::make_unique<ToRow>(context.kernels, order);
}

}  // namespace zeroskip
