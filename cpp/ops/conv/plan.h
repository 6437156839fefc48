// What a convolution is going to do, as plain data: made once from its step by a free function, read by the
// algorithms, printable. Nothing here knows tensors' addresses or packed weights.
#pragma once

#include <optional>
#include <string>

#include "kernels/common/weight_format.h"
#include "ops/conv/geometry.h"
#include "ops/conv/phase_image.h"
#include "ops/conv/weights.h"
#include "ops/conv/winograd_schedule.h"

namespace zeroskip {

enum class ConvAlgorithm { kAuto, kSparse, kDense, kWinograd };
const char* name_of(ConvAlgorithm algorithm);
// The step's attribute `algorithm`, kAuto where it is absent. Throws Error.
ConvAlgorithm read_algorithm(const StepSpec& step, bool knows_winograd);

// How the input lies: pixels of the engine's layout, or rows of the caller's in one of two orders.
enum class ConvInput { kPixels, kNchwRows, kNhwcRows };

inline constexpr int64_t kMostPanelChannels = 64;  // the bits of one mask word

struct SparsePlan {
  bool uses_row_pairs;     // 3 wide at stride 1: the three taps of two rows at a time, else single taps
  DataType weight;         // of its kernels: as they are stored, or what they are expanded to
  int64_t blocks;          // of 16 outputs, of the widest kernel it calls
  int64_t panel_channels;  // input channels of a weight panel, which is one tap's (or three's)
  int64_t full_tap;        // a tap inside the image for every output pixel, or -1
  bool expands_panels;     // of weights that its kernels do not read as they are stored

  const char* kernel_kind() const { return uses_row_pairs ? "spconv3row" : "spconv"; }
};

struct DensePlan {
  int64_t blocks;    // of 16 outputs, of the widest kernel it calls
  int64_t taps;      // of a gathered input whole rows of the kernel, each of kw * c channels
  int64_t channels;  // per tap
  int64_t tap_step;  // taps whose weights the tile uses before it goes on to the next ones
};

// Tasks: tiles of output pixels, times groups, times ranges of output channels.
struct ConvCut {
  bool cuts_columns;  // tiles are parts of the only row
  int64_t row_tile, column_tile, tiles;
  int64_t block_step, block_splits;  // of 16 output channels

  // Sets what follows from how tiles are cut and how many of the blocks a task has.
  void count_tasks(const ConvGeometry& g, int64_t blocks, int64_t blocks_per_task);
};

// Working memory in bytes: the gathered input, once, then every thread's accumulators, pixel list and
// expanded weights.
struct ConvScratch {
  int64_t gathered, acc, pixel_list, expanded;
  int64_t thread() const { return acc + pixel_list + expanded; }
};

struct ConvPlan {
  ConvGeometry geometry;  // a pointwise convolution's is one long row
  GroupLayout layout;
  ConvInput input;
  // A few-channel input is first gathered into padded, tightly packed rows [n][h + pads][w + pads][c]; a
  // whole horizontal run of taps is then one tap of kw * c channels.
  bool gathers_input;
  ConvAlgorithm algorithm;
  DataType storage;
  int num_threads;
  SparsePlan sparse;
  DensePlan dense;
  ConvCut cut;
  ConvScratch scratch;
  std::optional<WinogradPlan> winograd;  // absent: direct convolution only
  std::optional<PhaseImage> phases;      // what Winograd's algorithm reads if not the input itself
  double crossover_density;              // up to it a tile is computed by the sparse algorithm
  double winograd_density;               // above it the whole layer is computed by Winograd's

  int64_t tasks() const { return cut.tiles * layout.groups * cut.block_splits; }
};

// Throws Error on a step that no algorithm can carry out.
ConvPlan plan_conv(const StepSpec& step, const BuildContext& context);

// A few lines for people.
std::string to_text(const ConvPlan& plan);

}  // namespace zeroskip
