// The convolution operator: y = activation(conv(x) + bias + residual), skipping zero inputs where that wins.
// The residual is another tensor, or a constant map that is the same for every image.
//
// Work is cut into tiles of output pixels and ranges of output channels. Every tile first counts the set bits
// of the input rows it reads and takes the sparse or the dense algorithm by that density, so a layer is never
// much slower than its dense form. Both algorithms read the same packed weights.
#pragma once

#include <optional>

#include "ops/conv/geometry.h"
#include "ops/conv/phase_image.h"
#include "ops/conv/weights.h"
#include "ops/conv/winograd.h"
#include "ops/packed_weights.h"

namespace zeroskip {

enum class ConvAlgorithm { kAuto, kSparse, kDense, kWinograd };
inline constexpr int64_t kMostPanelChannels = 64;  // the bits of one mask word

class Conv final : public Op {
 public:
  Conv(const StepSpec& step, const BuildContext& context);
  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::string kernel_name() const override;

 private:
  // A run of output pixels, consecutive in memory: whole rows, or part of the one row of a flattened
  // pointwise.
  struct Tile {
    int64_t n, oy, rows, ox, columns;
    int64_t pixels() const { return rows * columns; }
  };
  // One task: a tile, a group and a range of 16-channel blocks in it.
  struct Task {
    Tile tile;
    int64_t group, first_block, last_block;
  };
  // Where this run's tensors are.
  struct Operands {
    const float* x;
    int64_t x_stride;
    const uint16_t* mask;
    int64_t mask_stride;
    const float* residual;
    int64_t residual_stride;
    float* y;
    int64_t y_stride;
    uint16_t* y_mask;
    int64_t y_mask_stride;
  };
  // A weight panel: panel_channels_ input channels of one tap.
  struct PanelIndex {
    int64_t tap, index;
  };
  struct ThreadScratch {
    float* acc;
    const float** pixels;
    float* weights;  // of 16-bit storage, expanded
  };

  void plan_tiles();
  void pack_weights(const StepSpec& step, const BuildContext& context);
  void pack_residual(const StepSpec& step, const BuildContext& context);
  Task task_at(int64_t index) const;
  Operands operands(const RunContext& context) const;
  ThreadScratch thread_scratch(const RunContext& context, int thread) const;
  bool takes_sparse(const Operands& operands, const Tile& tile) const;
  void plan_winograd(const StepSpec& step, const BuildContext& context);
  bool takes_winograd(const Operands& operands) const;
  void run_winograd(const RunContext& context, const Operands& operands) const;

  void run_sparse(const Operands& operands, const Task& task, const ThreadScratch& scratch) const;
  void sparse_rows(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
                   const ThreadScratch& scratch) const;
  void sparse_points(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
                     const ThreadScratch& scratch) const;
  void run_dense(const Operands& operands, const Task& task, const ThreadScratch& scratch) const;
  void list_pixels(const Operands& operands, const Task& task, const float** pixels) const;
  void list_gathered_pixels(const float* gathered, const Task& task, const float** pixels) const;
  const std::byte* next_panel(const Task& task, int64_t block, int64_t blocks, int64_t step,
                              int64_t panels) const;
  PanelIndex panel_at(int64_t step, int64_t panels) const;
  const float* bias_at(int64_t group, int64_t block) const;
  ConvEpilogueArgs epilogue_at(const Operands& operands, const Task& task, int64_t block, int64_t row) const;
  void finish(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
              const float* acc) const;
  PlainImage plain_input(const RunContext& context) const;
  void gather_input(const RunContext& context) const;

  int64_t gathered_bytes() const;
  int64_t acc_bytes() const;
  int64_t pixel_list_bytes() const;
  int64_t expanded_bytes() const;
  int64_t thread_bytes() const;
  int64_t dense_taps() const;
  int64_t dense_channels() const;
  int64_t dense_tap_step() const;
  int64_t row_bytes() const { return kSlab * weight_bytes(storage_); }
  const std::byte* weights_at(int64_t group, int64_t block, int64_t tap, int64_t channel) const;
  bool expands_panels() const { return storage_ == WeightStorage::kFp16; }
  const std::byte* sparse_panel(int64_t group, int64_t block, int64_t blocks, int64_t tap, int64_t channel,
                                int64_t channels, int64_t taps, float* expanded) const;
  const float* dense_weights(int64_t group, int64_t block, int64_t blocks, int64_t tap, int64_t taps,
                             float* expanded) const;

  std::string name_;
  ConvGeometry geometry_;
  GroupLayout layout_;
  KernelTable kernels_;
  int num_threads_;
  ConvAlgorithm algorithm_ = ConvAlgorithm::kAuto;
  double crossover_density_;
  std::unique_ptr<const WinogradConv> winograd_;  // null: direct convolution only
  std::optional<PhaseImage> phases_;              // what it reads if not the input itself
  double winograd_fma_ = 1.0;                     // its cost per dense multiply-accumulate
  double winograd_density_;                       // above it the whole layer is computed so
  bool has_activation_;
  float max_value_;

  // A few-channel input is first gathered into padded, tightly packed rows [n][h + pads][w + pads][c]; a
  // whole horizontal run of taps is then one tap of kw * c channels.
  bool gathers_input_ = false;
  bool input_is_nhwc_rows_ = false;  // of a row-layout input
  bool uses_row_pairs_ = false;
  int64_t full_tap_ = -1;  // a tap inside the image for every output pixel

  bool cuts_columns_;  // tiles are parts of the only row
  int64_t row_tile_, column_tile_, tiles_, block_step_, block_splits_;
  int64_t max_blocks_, max_pair_blocks_, dense_blocks_, panel_channels_;

  WeightStorage storage_ = WeightStorage::kFloat32;
  SharedWeights weights_;
  WeightStore::Packed bias_, thresholds_;
  WeightStore::Packed residual_;  // a constant one: [oh * ow][o], padded to whole blocks; else null
  int64_t residual_pixels_ = 0;   // after which the residual begins anew
  WeightStore::Packed zeros_;     // what a tap outside the image reads
};

}  // namespace zeroskip
